#!/usr/bin/env bash
# What the tests need to run arm64 programs: emulation, where the machine is another,
# and a busybox of that architecture as .cache/busybox-arm64.
# usage: prepare.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache
# shellcheck source-path=SCRIPTDIR source=../engine/lib.sh
. "$here/../engine/lib.sh"

# busybox: from Debian's package, by lists of packages of its own, so that the machine
# does not become one of two architectures.
busybox() {
    local work
    [ ! -x "$cache/busybox-arm64" ] || return 0
    work=$(mktemp -d)
    mkdir -p "$cache" "$work/state/lists/partial" "$work/cache/archives/partial"
    arm64_apt() {
        apt-get -qq -o Dir::State="$work/state" -o Dir::State::status=/dev/null -o Dir::Cache="$work/cache" \
            -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root "$@"
    }
    (cd "$work" && arm64_apt update && arm64_apt download busybox-static) >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "no busybox for arm64"; }
    dpkg-deb -x "$work"/busybox-static_*_arm64.deb "$work/files"
    cp "$work/files/bin/busybox" "$cache/busybox-arm64"
    rm -rf "$work"
}

"$here/../engine/emulation.sh" arm64
busybox
