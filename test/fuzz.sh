#!/usr/bin/env bash
# Runs every fuzz test of the project for FUZZTIME (default 30s), one after another, and
# prints package, name and executions. Exits 1 if one finds something: its input then
# lies in the package's testdata/fuzz, where `make test` tries it from now on.
# usage: fuzz.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/go/bin
time=${FUZZTIME:-30s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

tests=0 failed=0
while IFS=: read -r file name; do
    package=./$(dirname "$file")
    tests=$((tests + 1))
    result=passed
    # Without a bound the time goes into making interesting inputs smaller: inputs of several goroutines never settle.
    if ! go test -run='^$' -fuzz="^$name\$" -fuzztime="$time" -fuzzminimizetime=10x "$package" >"$log" 2>&1; then
        cat "$log"
        result=FAILED failed=$((failed + 1))
    fi
    execs=$(sed -n 's/.* execs: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    printf 'fuzz: %-20s %-14s %s, %s execs in %s\n' "$package" "$name" "$result" "${execs:-0}" "$time"
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -Ho '^func Fuzz[A-Za-z0-9_]*' | sed 's/:func /:/')
printf 'fuzz: %s tests, %s failed\n' "$tests" "$failed"
[ "$tests" -gt 0 ] || { echo 'fuzz: no fuzz test was found' >&2; exit 1; }
[ "$failed" = 0 ]
