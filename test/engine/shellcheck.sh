#!/usr/bin/env bash
# Checks every shell script of the project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=lib.sh
. test/engine/lib.sh
packages shellcheck:shellcheck
mapfile -t scripts < <(git ls-files -co --exclude-standard | while read -r f; do
    [ -f "$f" ] && head -c 64 "$f" | head -n 1 | grep -qE '^#!.*\b(ba|da)?sh\b' && echo "$f"
done)
shellcheck -x -P SCRIPTDIR "${scripts[@]}"
