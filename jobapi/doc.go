// Package jobapi is GitLab's job API as a runner sees it: verify the runner's token, ask for a job, send its trace,
// report its state, bring its artifacts up and those of earlier jobs down. One file per resource; the HTTP answers of each
// become a typed outcome, so that callers decide by meaning and never by status code.
//
// Data moves through it in one direction per call: a method builds one request, send (client.go) puts it on the wire
// as often as retry.go says, and the method reads the last answer. Artifacts are streams in both directions: nothing of
// them is kept in memory or on disk.
//
// It keeps no job state, and no goroutine of it outlives a call: offsets, intervals and the repetition of final updates
// belong to the caller. It never logs or prints a token.
package jobapi
