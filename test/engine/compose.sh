#!/usr/bin/env bash
# Makes .cache/docker-compose: the machine's own compose v2 where there is one, else
# one built from the Go module. Debian has only compose v1, which does not know the
# "name:" of a compose file.
# usage: compose.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache
program=$cache/docker-compose
# The smallest of its kind that knows "name:"; later ones take four times as long.
version=v2.6.1
PATH=$PATH:/usr/local/go/bin

if [ -x "$program" ] && "$program" version >/dev/null 2>&1; then exit 0; fi
mkdir -p "$cache"
if docker compose version >/dev/null 2>&1; then
    printf '#!/bin/sh\nexec docker compose "$@"\n' >"$program"
    chmod 755 "$program"
    exit 0
fi

begin=$SECONDS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# Built in a copy of the module, not by go install: its go.mod has replacements.
source=$(go mod download -json "github.com/docker/compose/v2@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
cp -r "$source" source
chmod -R u+w source
cd source
CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$version" \
    -o "$program" ./cmd
printf 'engine: built docker compose %s in %s s\n' "$version" $((SECONDS - begin))
