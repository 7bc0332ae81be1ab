# Everything that a target needs (packages, engine, images) it gets by itself; see test/engine and test/images.
VERSION  ?= dev
REVISION ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
export VERSION REVISION
export PATH := $(PATH):/usr/local/go/bin
# The race detector needs a C compiler.
RACE := $(shell command -v gcc >/dev/null && echo -race)

.PHONY: demo test lint image bench fuzz chaos soak soak-dind arm64 engine release

demo: engine image
	test/demo/run.sh

test: engine image
	test/engine/compose.sh
	test/engine/s3.sh
	test/arm64/prepare.sh
	LCED_REQUIRE_DOCKER=1 go test $(RACE) -parallel 4 -timeout 30m ./...

lint:
	set -e; files=$$(git ls-files -co --exclude-standard '*.go'); bad=$$(gofmt -l $$files); test -z "$$bad" || { echo "not formatted: $$bad"; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	test/engine/shellcheck.sh
	test/engine/promtool.sh

image:
	test/images/runner.sh

# How long jobs take, next to the fewest engine calls that could do the same, and to a gitlab-runner where PEER names its
# binary and PEER_HELPER its helper image. BENCH are flags (-rounds 3, -scale, -only PATTERN).
bench: engine image
	go run ./test/bench -binary "$(CURDIR)/bin/linux-$$(go env GOARCH)/lced-runner" $(BENCH)

# Each fuzz test for FUZZTIME; `make test` tries only what is in their corpora.
fuzz:
	test/fuzz.sh

# Faults of every kind at random moments, for LCED_CHAOS_TIME, the runner killed at LCED_CHAOS more, and GitLab away for
# LCED_CHAOS_OUTAGE; LCED_SEED repeats the dice of a run, CHAOS selects tests. docs/reliability.md says what is injected and what
# is checked.
chaos: CHAOS ?= ^(TestChaos|TestChaosScript|TestKill|TestOutage)$$
chaos: export LCED_CHAOS ?= 60
chaos: export LCED_CHAOS_TIME ?= 30m
chaos: export LCED_CHAOS_OUTAGE ?= 10m
chaos: engine image
	LCED_REQUIRE_DOCKER=1 go test -count=1 -v -parallel 6 -timeout 3h -run '$(CHAOS)' ./test/e2e

# LCED_SOAK jobs of all kinds, ten at once: endings, memory, open files.
soak: export LCED_SOAK ?= 300
soak: engine image
	LCED_REQUIRE_DOCKER=1 go test -count=1 -v -timeout 60m -run '^TestSoak$$' ./test/e2e

# LCED_SOAK_DIND jobs with a sidecar in a row, then LCED_SOAK_DIND_AT_FOUR of them, four at once.
soak-dind: export LCED_SOAK_DIND ?= 200
soak-dind: export LCED_SOAK_DIND_AT_FOUR ?= 20
soak-dind: engine image
	LCED_REQUIRE_DOCKER=1 go test -count=1 -v -timeout 120m -run '^TestSoakDind$$' ./test/e2e

# Binaries with checksums and SBOMs, and images, for amd64, arm64 and arm: in dist.
release:
	test/engine/start.sh
	test/images/build.sh debian
	deploy/release.sh

# The arm64 image, on a machine of another architecture by emulation.
arm64: engine image
	test/arm64/run.sh

engine:
	test/engine/start.sh
	test/images/build.sh
