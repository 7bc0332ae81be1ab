// Package executor obeys a [Plan] on a Docker engine.
//
// Data moves one way: a Plan comes in, containers come up along the start graph (start.go), helper tasks and user
// steps run (job.go), their output goes into the sections that the caller's [Log] opens, and an error says how it ended.
// What a job means (GitLab, git, docker-in-docker) was decided before, in package plan; nothing of it is known here.
//
// It is the only home of the Docker client. It never uses the archive API on a container made from a job's image, never
// removes what does not carry the label [LabelOwner], and never reports success for a script that did not print its end line.
package executor
