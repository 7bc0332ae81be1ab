package plan

import (
	"slices"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// Foreseen is what has to be known of a job before the first line of its log, and before it is compiled, which may fail.
type Foreseen struct {
	Masks []string // values that the log must not show
	Debug bool     // CI_DEBUG_TRACE or CI_DEBUG_SERVICES is on: GitLab restricts who may see the log
	// DockerAuth is the job's DOCKER_AUTH_CONFIG, nil when it has none. Credential helpers that it names are asked before
	// the job is compiled.
	DockerAuth []byte
}

// shortestMask is the least that GitLab lets a user mask, in bytes. Here a value may refer to variables that only Compile
// knows, and what is left of it without them must not hide half of the log.
const shortestMask = 8

// Foresee reads it from the payload and the configuration. Where a fault of its own shows, nothing is foreseen: Compile takes
// the same steps, and tells of it.
func Foresee(job *jobapi.Job, r *config.Runner) (foreseen Foreseen) {
	defer func() {
		if recover() != nil {
			foreseen = Foreseen{}
		}
	}()
	in := Input{Job: job, Runner: r}
	c := &compiler{Input: in, vars: newVariables(in, names{})}
	_, c.sensitive, _, _ = interpolate(job) // Compile tells of an error
	f := Foreseen{
		Masks: slices.DeleteFunc(c.masks(), func(m string) bool { return len(m) < shortestMask }),
		Debug: c.debugs("CI_DEBUG_TRACE") || c.debugs("CI_DEBUG_SERVICES"),
	}
	if text := c.vars.get("DOCKER_AUTH_CONFIG"); text != "" {
		f.DockerAuth = []byte(text)
	}
	return f
}

// ServerCA are the certificates by which helpers and scripts know GitLab (job-api contract 3.4): those of tls-ca-file, or else
// the chain that GitLab showed when it handed the job out, since an authority that only this machine trusts is unknown in a
// container.
func ServerCA(configured []byte, job *jobapi.Job) []byte {
	if len(configured) > 0 {
		return configured
	}
	return job.ServerChain
}
