// Package coordinator is a GitLab-compatible job API server: lced-runner exec runs a pipeline through it, and the tests
// drive the runner with it over real HTTP and real git.
//
// Data moves so: Submit makes the jobs of a pipeline; a stage's jobs become pending when the earlier stages ended;
// POST /jobs/request hands one out as GitLab's payload; PATCH /jobs/:id/trace and PUT /jobs/:id bring log and ending back;
// Wait, Jobs and Trace show them. Artifacts are kept in files without names and handed to later jobs. The repository is
// served to the job by git http-backend. One mutex guards all state; a closed channel wakes whoever waits for a change.
//
// It is a second reading of GitLab's protocol and shares no code with the runner's side, or a mistake would cancel itself
// out. It is strict: what a runner does against the protocol is listed by Violations. Faults are injected on demand.
//
// It will not keep anything beyond its process, schedule retries, or guard itself against hostile clients.
package coordinator
