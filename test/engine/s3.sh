#!/usr/bin/env bash
# Makes .cache/versitygw, an S3 server that keeps objects in a directory, from the Go
# module: for the tests of distributed caches.
# usage: s3.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache
program=$cache/versitygw
version=v1.8.0
PATH=$PATH:/usr/local/go/bin

if [ -x "$program" ]; then exit 0; fi
mkdir -p "$cache"
begin=$SECONDS
GOBIN=$cache CGO_ENABLED=0 go install -trimpath -ldflags "-s -w" "github.com/versity/versitygw/cmd/versitygw@$version"
printf 'engine: built versitygw %s in %s s\n' "$version" $((SECONDS - begin))
