# shellcheck shell=bash
# What start.sh, stop.sh and the image scripts share. Sourced, not run.
#
# Everything of the test engine lies below $LCED_TEST_STATE (data, logs, tools)
# and $RUN (pids and sockets, which do not outlive a reboot).

STATE=${LCED_TEST_STATE:-/var/lib/lced-test}
RUN=/run/lced-test
MIRROR_PORT=5055

say() { printf 'engine: %s\n' "$*"; }
fail() {
    printf 'engine: %s\n' "$*" >&2
    exit 1
}

answers() { timeout 10 docker info >/dev/null 2>&1; }

# running NAME: does the process of $RUN/NAME.pid live, and is it ours? A pid that
# a stranger has got since does not have $RUN or $STATE in its command line.
running() {
    local pid
    pid=$(cat "$RUN/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -q -e "$RUN/" -e "$STATE/"
}

# detached NAME COMMAND...: starts a process that outlives this script and its
# terminal; its output goes to a file.
detached() {
    local name=$1
    shift
    setsid nohup "$@" </dev/null >>"$STATE/log/$name.log" 2>&1 &
    echo $! >"$RUN/$name.pid"
    # Until the program has taken the place of shell, setsid and nohup: while one gives
    # way to the next the command line is empty, and running() would not know it.
    while [ -e /proc/$! ] && [ "$(tr '\0' '\n' 2>/dev/null </proc/$!/cmdline | head -n 1)" != "$1" ]; do sleep 0.02; done
}

# ended NAME SECONDS: ends one of our processes, the hard way after SECONDS.
ended() {
    local pid i
    running "$1" || return 0
    pid=$(cat "$RUN/$1.pid")
    kill "$pid" 2>/dev/null || true
    for ((i = 0; i < $2 * 10; i++)); do
        running "$1" || return 0
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    sleep 0.2
}

# What images/build.sh needs to make images. The dynamic busybox, which has the same
# name, would not do.
# shellcheck disable=SC2034 # used by the scripts that source this
IMAGE_PROGRAMS=(debootstrap:debootstrap wget:wget /var/lib/dpkg/info/busybox-static.list:busybox-static)

# packages PROGRAM:PACKAGE...: installs the Debian packages of the programs (or files,
# by full path) that are missing, without letting them start services of their own: our engine has other
# options than theirs.
packages() {
    local pair missing=() names=() guard=/usr/sbin/policy-rc.d log=$STATE/log/apt.log
    for pair; do
        [ -f "${pair%%:*}" ] || command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" = 0 ] || fail "missing: ${missing[*]}; install them or run this as root"
    command -v apt-get >/dev/null || fail "missing: ${missing[*]}; this is not Debian, install them by hand"

    say "installing ${missing[*]}"
    mkdir -p "$STATE/log"
    apt-get update >"$log" 2>&1 || fail "apt-get update failed, see $log"
    for pair in "${missing[@]}"; do
        # Before Debian 13 the client is part of docker.io.
        [ -z "$(apt-cache policy "$pair")" ] || names+=("$pair")
    done
    [ -e $guard ] && guard=
    if [ -n "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' >$guard
        chmod 755 $guard
    fi
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${names[@]}" >>"$log" 2>&1; then
        rm -f ${guard:+"$guard"}
        fail "apt-get install ${names[*]} failed, see $log"
    fi
    rm -f ${guard:+"$guard"}
}

# bridge_ip: the address that the test engine's default bridge has.
bridge_ip() { cat "$STATE/bridge-ip" 2>/dev/null; }

# mirror: the address of our registry, or nothing where the engine is not ours.
mirror() {
    running registry && printf '%s:%s\n' "$(bridge_ip)" "$MIRROR_PORT"
}

# cleared: removes what a killed test engine left: containers' processes, shims,
# mounts, sockets. Only things below $RUN and $STATE are touched.
cleared() {
    local dir id pid place
    for dir in "$RUN"/exec/runtime-runc/moby/*/ "$RUN"/containerd/runc/moby/*/; do
        [ -d "$dir" ] || continue
        id=$(basename "$dir")
        runc --root "$(dirname "$dir")" delete --force "$id" >/dev/null 2>&1 || true
    done
    for pid in /proc/[0-9]*; do
        # A shim names the socket of its containerd: containerd-shim-runc-v2 -namespace moby -id … -address …
        if tr '\0' ' ' <"$pid/cmdline" 2>/dev/null | grep -q "^[^ ]*containerd-shim.* $RUN/"; then
            kill -9 "${pid#/proc/}" 2>/dev/null || true
        fi
    done
    awk '{print $5}' /proc/self/mountinfo | tac | while read -r place; do
        case $place in
        "$STATE"/* | "$RUN"/*) umount -l "$place" 2>/dev/null || true ;;
        esac
    done
    rm -rf "$RUN"
}
