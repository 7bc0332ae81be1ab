#!/usr/bin/env bash
# Has the kernel start programs of other architectures (arm64, arm) by qemu, in
# containers too: by the flag F of Debian's own rule it keeps the interpreter open.
# usage: emulation.sh ARCH...
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
place=/proc/sys/fs/binfmt_misc

# native ARCH: a 64-bit ARM board starts programs for 32 bits, unless its kernel was made without.
native() {
    case $1-$(uname -m) in
    arm64-aarch64 | arm-armv*) true ;;
    arm-aarch64) setarch linux32 true 2>/dev/null ;;
    *) false ;;
    esac
}

for arch; do
    ! native "$arch" || continue
    rule=qemu-${arch/%arm64/aarch64}
    packages "$rule-static:qemu-user-static"
    [ -e $place/register ] || mount -t binfmt_misc binfmt_misc $place ||
        fail "the kernel has no binfmt_misc: load its module, or run this on $arch"
    [ ! -e "$place/$rule" ] || continue
    cat "/usr/lib/binfmt.d/$rule.conf" >$place/register
    say "registered $("$rule-static" --version | head -n 1)"
done
