#!/usr/bin/env bash
# Makes sure that a Docker engine answers. One that answers already is left alone.
# Otherwise one is started from Debian's packages, together with
#   - a resolver on the engine's bridge that knows a name nobody else knows
#     (only-here.lced.test -> 192.0.2.77), so that tests can tell whether a
#     container uses the host's resolver, and
#   - a registry that is the engine's mirror of Docker Hub: an image that was made
#     on this machine is pushed there as library/<name>, and a pull of it works as
#     if it came from the Hub.
#
# usage: start.sh [--keep]
#   --keep  leave the stopped containers of the last run (default: remove them)
# LCED_TEST_STATE  where data and logs go (default /var/lib/lced-test)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

keep=${1:-}

# free_subnet: an address for the default bridge outside the networks that this
# machine reaches and outside Docker's default pools, of which an engine inside a
# container takes 172.17.0.0/16.
free_subnet() {
    local net
    for net in 10.231.255 10.187.255 192.168.231 172.31.255; do
        # The route to an address of a free network is the default route, or none.
        if ! ip -4 route show table all 2>/dev/null | grep -q "^\(local \|broadcast \)\?${net//./\\.}\."; then
            case $(ip -4 route get "$net.1" 2>/dev/null) in
            *" via "* | "") echo "$net.1" && return ;;
            esac
        fi
    done
    fail "no free subnet for the bridge: all of 10.231.255.0/24, 10.187.255.0/24, 192.168.231.0/24, 172.31.255.0/24 are in use"
}

# uplink_mtu: of the interface that the default route uses; 1500 where there is none.
uplink_mtu() {
    local device
    device=$(ip -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
    cat "/sys/class/net/${device:-none}/mtu" 2>/dev/null || echo 1500
}

# runc_front: where the bounding set lacks a capability that the kernel knows,
# puts the front before runc (see runcfront/main.go).
runc_front() {
    local bounding last
    bounding=$((16#$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/self/status)))
    last=$(cat /proc/sys/kernel/cap_last_cap)
    rm -f "$STATE/bin/runc"
    if ((bounding == (1 << (last + 1)) - 1)); then return; fi
    PATH=$PATH:/usr/local/go/bin
    command -v go >/dev/null || fail "this machine's capability bounding set is incomplete and there is no Go to build runcfront"
    (cd "$here/runcfront" && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$STATE/bin/runc" .)
}

# open_tun: every user may open /dev/net/tun, as udev has it, since a rootless daemon in a
# container has its network there. A machine without it lacks udev, not a secret.
open_tun() {
    if [ -c /dev/net/tun ]; then chmod 0666 /dev/net/tun; fi
}

# side_services: the resolver and the registry. Both listen on the bridge, which
# exists only when dockerd runs; neither is asked before the first pull or lookup.
side_services() {
    local address
    address=$(bridge_ip)
    if ! running dnsmasq; then
        detached dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null --log-facility=- \
            --pid-file="$RUN/dnsmasq.own-pid" --bind-interfaces --listen-address="$address" \
            --no-hosts --host-record=only-here.lced.test,192.0.2.77
    fi
    if ! running registry; then
        detached registry docker-registry serve "$RUN/registry.yml"
    fi
}

registry_config() {
    cat >"$RUN/registry.yml" <<CONFIG
version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: $STATE/registry}
  delete: {enabled: true}
http:
  addr: $(bridge_ip):$MIRROR_PORT
CONFIG
}

# waited NAME CHECK...: until CHECK succeeds, while process NAME lives, 60 s at most.
waited() {
    local name=$1 i
    shift
    for ((i = 0; i < 300; i++)); do
        if "$@"; then return; fi
        running "$name" || break
        sleep 0.2
    done
    tail -n 15 "$STATE/log/$name.log" >&2
    fail "$name does not answer; its log is $STATE/log/$name.log"
}

listens() { (: <>"/dev/tcp/$(bridge_ip)/$1") 2>/dev/null; }

started() {
    local address left
    for name in dockerd containerd registry dnsmasq; do ended "$name" 10; done
    cleared
    mkdir -p "$RUN" "$STATE/log" "$STATE/bin" "$STATE/docker" "$STATE/containerd"
    # A bridge that an earlier start made would keep its old address.
    if [ -n "$(bridge_ip)" ] && ip -4 addr show docker0 2>/dev/null | grep -q " $(bridge_ip)/"; then
        ip link delete docker0
    fi
    address=$(free_subnet)
    echo "$address" >"$STATE/bridge-ip"
    registry_config
    runc_front
    open_tun

    PATH=$STATE/bin:$PATH detached containerd containerd --config /dev/null \
        --address "$RUN/containerd.sock" --root "$STATE/containerd" --state "$RUN/containerd"
    waited containerd test -S "$RUN/containerd.sock"
    # A socket without a listener, or a pid file, of a dead daemon.
    rm -f /var/run/docker.sock
    PATH=$STATE/bin:$PATH detached dockerd dockerd --containerd "$RUN/containerd.sock" \
        --data-root "$STATE/docker" --exec-root "$RUN/exec" --pidfile "$RUN/dockerd.own-pid" \
        --host unix:///var/run/docker.sock --bip "$address/24" --mtu "$(uplink_mtu)" --dns "$address" \
        --registry-mirror "http://$address:$MIRROR_PORT" --insecure-registry "$address:$MIRROR_PORT"
    waited dockerd answers
    side_services
    waited registry listens "$MIRROR_PORT"
    waited dnsmasq listens 53
    if [ "$keep" != --keep ]; then
        left=$(docker ps -aq)
        # shellcheck disable=SC2086 # a list of ids
        [ -z "$left" ] || docker rm -fv $left >/dev/null
    fi
}

if [ -n "${DOCKER_HOST:-}" ]; then
    answers || fail "DOCKER_HOST is $DOCKER_HOST, but no engine answers there: start it, or unset DOCKER_HOST"
fi
if command -v docker >/dev/null && answers; then
    if running dockerd; then
        open_tun
        side_services
        waited registry listens "$MIRROR_PORT"
        say "the test engine answers ($STATE)"
    else
        say "an engine answers already; it is left as it is"
    fi
    exit 0
fi
packages dockerd:docker.io docker:docker-cli containerd:containerd runc:runc iptables:iptables ip:iproute2 \
    docker-registry:docker-registry dnsmasq:dnsmasq-base git:git openssl:openssl setsid:util-linux update-ca-certificates:ca-certificates \
    "${IMAGE_PROGRAMS[@]}"
[ "$(id -u)" = 0 ] || fail "no engine answers: start one, or run this as root"
if ! answers; then started; fi
say "started $(docker version --format '{{.Server.Version}}'), bridge $(bridge_ip), logs in $STATE/log"
