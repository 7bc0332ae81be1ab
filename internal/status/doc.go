// Package status knows what the running runner does, and tells: as metrics for Prometheus under gitlab-runner's names, as
// health for container engines and load balancers, as a page for people, and as JSON for the commands status and
// health-check.
//
// The spine reports events to a [Board] (a job begins, a request was answered, the configuration was read); what can be
// looked up is looked up when somebody asks. Nothing is counted for each byte of a log. [Serve] answers on the socket in the
// state directory and, where the configuration has one, on listen_address. Nothing that it tells is secret: of tokens only
// the short form is known here, of jobs no variable and no log.
package status
