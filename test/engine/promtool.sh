#!/usr/bin/env bash
# Checks the alert rules with Prometheus' own tool.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=lib.sh
. test/engine/lib.sh
packages promtool:prometheus
promtool check rules deploy/prometheus/alerts.yaml
