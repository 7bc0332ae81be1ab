// Package helper is the part of the runner that works inside the helper container: the only place where the files of an
// untrusted repository are touched.
//
// The container's first process is [Idle]. Each stage of a job is one exec in it: [Stage] reads a [Request], one line of
// JSON, from stdin, does what it asks, writes the stage's part of the job log to stdout and stderr, and returns the
// exit code. Stdin stays open while the stage runs and its end means "kill what you started and stop": an exec outlives
// the client that started it, and the engine's API has no call that ends one.
//
// Git does the work on repositories; this package decides what git may see. Before git reads a checkout, everything
// there that could make it run a command or write elsewhere (configuration, hooks, symbolic links) is removed, and
// settings in the environment, which win over any file, close what is left. The job token travels in the environment of
// git and in requests to GitLab only.
//
// Artifacts go to and from GitLab by package jobapi, caches to and from a distributed cache by URLs that the runner has
// signed; both are packed and unpacked by package archive.
//
// It will not retry what it does not understand, mask secrets (the trace does), write section markers (the runner does),
// hold keys of a cache, or speak to a Docker engine.
package helper
