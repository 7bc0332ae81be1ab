// Package dind decides how a job gets a docker daemon of its own: whether a docker-in-docker sidecar is started, in which
// mode, with which image, arguments, environment, certificates and volumes, how one sees that it is ready, and what its
// last words mean.
//
// Data moves in one direction: a [Job] (the configuration's and the job's view of things) goes into [Decide], a [Setup]
// comes out, and whoever starts containers obeys it. The build container (B) and the sidecar (S) are always told the same
// transport, so that a client never speaks TLS to a plain port or the other way round.
//
// The package does no I/O, starts nothing and talks to no engine; it never grants a privilege that the configuration
// does not grant.
package dind
