#!/usr/bin/env bash
# Proves the arm64 image on a machine of any architecture, elsewhere by emulation:
#   1. makes the binary and the image lced-runner:arm64,
#   2. runs `lced-runner --version` in it,
#   3. runs a pipeline whose jobs and whose helper, which fetches the sources over
#      HTTP, are arm64 (.gitlab-ci.yml beside this script),
#   4. builds, pushes, pulls and runs an arm64 image in sidecars (TestBuildAndPush).
# `make arm64` has made the engine and this machine's own binary before.
#
# usage: run.sh
# VERSION, REVISION  what the binary says of itself; helper and runner must agree
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
cd "$top"
# shellcheck source-path=SCRIPTDIR source=../engine/lib.sh
. "$here/../engine/lib.sh"
PATH=$PATH:/usr/local/go/bin
say() { printf 'arm64: %s\n' "$*"; }

# image NAME DIRECTORY: for arm64.
image() {
    local begin=$SECONDS
    deploy/arch.sh image arm64 "$1" "$2"
    say "$1 is $(docker image inspect --format '{{.Os}}/{{.Architecture}}, {{.Size}} bytes' "$1"), made in $((SECONDS - begin)) s"
}

"$here/prepare.sh"
deploy/arch.sh binary arm64
say "the binary has $(stat -c %s bin/linux-arm64/lced-runner) bytes"
image lced-runner:arm64 .
image lced-test/busybox:arm64 "$here/busybox"

say "docker run --platform linux/arm64 lced-runner:arm64 --version"
docker run --rm --platform linux/arm64 lced-runner:arm64 --version | tee bin/arm64.version
grep -qx 'OS/Arch: *linux/arm64' bin/arm64.version

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/.gitlab-ci.yml" "$work/"
echo "a file of the repository" >"$work/hello.txt"
git -C "$work" init -q
cat >"$work.toml" <<CONFIG
[[runners]]
  name = "arm64"
  url = "http://localhost"
  token = "replaced by exec"
  executor = "docker"
  [runners.docker]
    helper_image = "lced-runner:arm64"
    pull_policy = "if-not-present"
CONFIG
trap 'rm -rf "$work" "$work.toml"' EXIT
say "lced-runner exec, with helper_image = lced-runner:arm64"
begin=$SECONDS
(cd "$work" && "$top/bin/linux-$(go env GOARCH)/lced-runner" exec --config "$work.toml") | tee bin/arm64.jobs
[ "$(grep -cx 'aarch64' bin/arm64.jobs)" = 2 ] || fail "not every job ran on aarch64"
say "both jobs ran on aarch64, in $((SECONDS - begin)) s"

begin=$SECONDS
container=$(docker create --platform linux/arm64 lced-runner:arm64)
docker cp "$container:/usr/bin/busybox" "$work/busybox.arm64" >/dev/null
docker rm "$container" >/dev/null
LCED_REQUIRE_DOCKER=1 LCED_ARCHITECTURE=arm64 LCED_BUSYBOX=$work/busybox.arm64 go test -count=1 -run '^TestBuildAndPush$' ./test/e2e
say "an arm64 image was built, pushed, pulled and run in sidecars, in $((SECONDS - begin)) s"
