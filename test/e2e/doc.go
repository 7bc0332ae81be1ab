// Package e2e holds no code: its tests run the real binary against the embedded coordinator, a real Docker engine and real
// git over HTTP. Each test is a world of its own (world_test.go) and ends with two questions: does the engine still hold
// anything of ours, and did the coordinator see a violation of the protocol?
//
// Without an engine they skip on a developer's machine; with LCED_REQUIRE_DOCKER=1, which `make test` and CI set, that is
// a failure.
package e2e
