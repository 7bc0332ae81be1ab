#!/usr/bin/env bash
# Ends just what start.sh started; images stay for the next start.
# usage: stop.sh [--purge]     --purge also removes images and all other data
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

ours=
if [ -e "$RUN/dockerd.pid" ]; then ours=yes; fi
for name in registry dnsmasq dockerd containerd; do ended "$name" 20; done
cleared
if [ -n "$ours" ]; then
    rm -f /var/run/docker.sock
    ip link delete docker0 2>/dev/null || true
fi
if [ "${1:-}" = --purge ]; then rm -rf "${STATE:?}"/*; fi
say "stopped"
