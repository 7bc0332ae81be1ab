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
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -e "$RUN/" -e "$STATE/"
}

# detached NAME COMMAND...: starts a process that outlives this script and its
# terminal; its output goes to a file.
detached() {
    local name=$1
    shift
    setsid nohup "$@" </dev/null >>"$STATE/log/$name.log" 2>&1 &
    echo $! >"$RUN/$name.pid"
    # Until the program has taken the shell's place, running() would not know it.
    while [ -e /proc/$! ] && ! running "$name"; do sleep 0.02; done
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
