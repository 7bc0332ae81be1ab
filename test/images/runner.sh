#!/usr/bin/env bash
# Builds the binary for this machine's architecture and the runner's image with it,
# as lced-runner:dev and lced-runner:latest. Does nothing where nothing has changed.
#
# usage: runner.sh
# VERSION  what the binary says of itself (default: dev), REVISION its commit
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
cd "$top"
PATH=$PATH:/usr/local/go/bin

label=lced.test.definition
arch=$(go env GOARCH)
version=${VERSION:-dev}
binary=bin/linux-$arch/lced-runner

deploy/arch.sh binary "$arch"

definition=$(cat "$binary" Dockerfile .dockerignore deploy/image/* | sha256sum | cut -c1-16)
have=$(docker image inspect --format "{{index .Config.Labels \"$label\"}}" "lced-runner:$version" lced-runner:latest 2>/dev/null || true)
if [ "$have" = "$definition"$'\n'"$definition" ]; then exit 0; fi

begin=$SECONDS
# The classic builder is in every engine, buildx is not.
DOCKER_BUILDKIT=0 docker build -q --force-rm --label "$label=$definition" \
    --build-arg MAKER="linux/$arch" --build-arg TARGETARCH="$arch" \
    --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
    -t "lced-runner:$version" -t lced-runner:dev -t lced-runner:latest . >/dev/null 2>"$top/bin/image.log" ||
    { cat "$top/bin/image.log" >&2; exit 1; }
printf 'images: made lced-runner:dev and lced-runner:latest (%s) in %s s\n' "$version" $((SECONDS - begin))
