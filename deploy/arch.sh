#!/usr/bin/env bash
# Makes for one architecture (amd64, arm64 or arm, which is v7):
#   arch.sh binary ARCH                    bin/linux-ARCH/lced-runner
#   arch.sh image ARCH NAME [DIRECTORY]    an image of a directory (default: this project's)
#
# VERSION, REVISION  what the binary says of itself (default: dev, unknown)
# Images need a docker client that has BuildKit: the plugin buildx, or a client of
# before 23.0. The classic builder makes images of the engine's own architecture only.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/go/bin
limit=$((16 * 1000 * 1000)) # bytes of a binary
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# binary ARCH: the same bytes wherever it is made. The revision is given, since git
# would tell Go nothing of a clone that another user made.
binary() {
    CGO_ENABLED=0 GOOS=linux GOARCH=$1 GOARM=7 go build -trimpath -buildvcs=false \
        -ldflags "-s -w -X main.version=${VERSION:-dev} -X main.revision=${REVISION:-unknown}" \
        -o "bin/linux-$1/lced-runner" ./cmd/lced-runner
    local size
    size=$(stat -c %s "bin/linux-$1/lced-runner")
    [ "$size" -lt $limit ] || fail "bin/linux-$1/lced-runner has $size bytes: what came into it? A board shall not need $limit"
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
    fail "no docker client here has BuildKit: install docker-buildx"
}

# platform ARCH: as docker calls it.
platform() { echo "linux/${1/%arm/arm/v7}"; }

image() {
    local client log=bin/linux-$1/image.log
    client=$(builder)
    mkdir -p "${log%/*}"
    DOCKER_BUILDKIT=1 "$client" build --platform "$(platform "$1")" --progress plain \
        --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
        -t "$2" "${3:-.}" >"$log" 2>&1 || { cat "$log" >&2; fail "docker build of $2 failed"; }
    grep -oE 'rootfs: .*' "$log" || true # what whoever makes it should know
}

case ${1:-} in
binary) binary "$2" ;;
image) image "${@:2}" ;;
*) fail "usage: arch.sh binary ARCH, or arch.sh image ARCH NAME [DIRECTORY]" ;;
esac
