# Everything that a target needs (packages, engine, images) it gets by itself; see test/engine and test/images.
VERSION  ?= dev
REVISION ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
export VERSION REVISION
export PATH := $(PATH):/usr/local/go/bin
# The race detector needs a C compiler.
RACE := $(shell command -v gcc >/dev/null && echo -race)

.PHONY: demo test lint image bench engine

demo: engine image
	test/demo/run.sh

test: engine image
	test/engine/compose.sh
	LCED_REQUIRE_DOCKER=1 go test $(RACE) -timeout 14m ./...

lint:
	test -z "$$(gofmt -l .)" || { gofmt -l .; exit 1; }
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	test/engine/shellcheck.sh

image:
	test/images/runner.sh

bench: engine image
	go run ./test/bench

engine:
	test/engine/start.sh
	test/images/build.sh
