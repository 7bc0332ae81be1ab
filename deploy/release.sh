#!/usr/bin/env bash
# Makes a release in dist/: for amd64, arm64 and arm (v7) a static binary, its SBOM
# (CycloneDX) and an image archive for `docker load`, and the checksums of them all.
# Two runs at one commit give the same binaries.
#
# usage: VERSION=1.2.3 REVISION=abcdef release.sh [--no-images]
# Images need a docker client with BuildKit (buildx, or a client before 23.0).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/go/bin
version=${VERSION:?set VERSION, such as 1.2.3}
revision=${REVISION:-unknown}
dist=$PWD/dist
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0
say() { printf 'release: %s\n' "$*"; }
fail() {
    printf 'release: %s\n' "$*" >&2
    exit 1
}

# builder: a docker client that can build for other architectures.
builder() {
    local client
    for client in $(type -ap docker); do
        if "$client" buildx version >/dev/null 2>&1 || "$client" --version | grep -qE 'version (19|20)\.'; then
            echo "$client"
            return
        fi
    done
    fail "no docker client here has BuildKit: install docker-buildx, or give --no-images"
}

rm -rf "$dist"
mkdir -p "$dist"
GOBIN="$dist/.tools" go install "$sbom"
tool=$dist/.tools/cyclonedx-gomod
for arch in amd64 arm64 arm; do
    binary=lced-runner-linux-$arch
    export CGO_ENABLED=0 GOOS=linux GOARCH=$arch GOARM=7
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version -X main.revision=$revision" \
        -o "$dist/$binary" ./cmd/lced-runner
    # From the binary itself: what is linked, not what go.mod mentions.
    "$tool" bin -json -licenses -std -noserial -version "v$version" -output "$dist/$binary.cdx.json" "$dist/$binary" 2>"$dist/.log" ||
        { cat "$dist/.log" >&2; fail "the SBOM of $binary could not be made"; }
    say "$binary has $(stat -c %s "$dist/$binary") bytes and $(grep -c '"bom-ref"' "$dist/$binary.cdx.json") components"
    mkdir -p "bin/linux-$arch"
    cp "$dist/$binary" "bin/linux-$arch/lced-runner"
done
unset GOOS GOARCH GOARM
if [ "${1:-}" != --no-images ]; then
    client=$(builder)
    for arch in amd64 arm64 arm; do
        platform=linux/$arch
        [ $arch != arm ] || platform=linux/arm/v7
        name=lced-runner:$version-$arch
        DOCKER_BUILDKIT=1 "$client" build --platform "$platform" --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
            -t "$name" . >"$dist/.log" 2>&1 || { cat "$dist/.log" >&2; fail "docker build of $name failed"; }
        "$client" save "$name" | gzip -9 -n >"$dist/lced-runner-image-$arch.tar.gz"
        say "$name: $(stat -c %s "$dist/lced-runner-image-$arch.tar.gz") bytes compressed"
    done
fi
rm -rf "$dist/.tools" "$dist/.log"
(cd "$dist" && sha256sum ./* >sha256sums)
say "all is in dist"
