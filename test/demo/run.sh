#!/usr/bin/env bash
# Runs the three pipelines of test/notes, each with its own config.toml, and prints a table of all jobs. Exits 1 unless
# every job passed. `make demo` has made the engine, the images and the binary before.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
runner=$top/bin/linux-$(go env GOARCH)/lced-runner
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
experiment() { # NUMBER CONFIGURATION TITLE
    printf '\n\033[1m=== Experiment %s: %s ===\033[0m\n\n' "$1" "$3"
    mkdir "$work/$1"
    cp "$top/test/notes/experiment-$1.yml" "$work/$1/.gitlab-ci.yml"
    git -C "$work/$1" init -q
    (cd "$work/$1" && "$runner" exec --config "$work/config-$2.toml" --report "$work/report-$1") || status=1
}

# Images that were built on this machine cannot be pulled where neither a public registry nor our mirror of one is
# configured: then, and only then, the local ones do.
for n in 1 2 3; do cp "$top/test/notes/config-$n.toml" "$work/"; done
if ! timeout 60 docker pull -q docker:latest >/dev/null 2>&1; then
    echo 'demo: this engine can pull from no registry, so the local images are used (pull_policy "if-not-present")'
    sed -i 's/^    image = .*/&\n    pull_policy = "if-not-present"/' "$work"/config-*.toml
fi

experiment 1 2 'docker by a sidecar on tcp 2375, without TLS'
experiment 2 3 'docker by a sidecar on tcp 2376, with TLS'
experiment 3 1 "docker by the host's socket"

printf '\n%-12s %-8s %-8s %-9s %9s  %s\n' EXPERIMENT JOB STAGE STATE SECONDS REASON
for n in 1 2 3; do
    # One line of JSON for each job, keys in alphabetical order.
    sed -E 's/^\{"job":"([^"]*)","reason":"([^"]*)","seconds":([0-9.]*),"stage":"([^"]*)","state":"([^"]*)"\}$/\1|\4|\5|\3|\2/' "$work/report-$n" |
        while IFS='|' read -r job stage state seconds reason; do
            printf '%-12s %-8s %-8s %-9s %9.1f  %s\n' "$n" "$job" "$stage" "$state" "$seconds" "$reason"
        done
done
exit "$status"
