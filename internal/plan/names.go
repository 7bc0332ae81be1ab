package plan

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"lced-runner/executor"
	"lced-runner/jobapi"
)

// names are those of gitlab-runner, so that operators' habits and prune tools still work (docker-executor contract 2.2).
type names struct {
	short    string // short token
	project  string // runner-<short>-project-<id>-concurrent-<slot>: also the host name
	unique   string // project and 16 hex digits: prefix of containers and temporary volumes
	network  string
	reusable string // prefix of volumes that outlive the job
}

func newNames(in Input) names {
	token := in.Runner.Token.Reveal()
	n := names{short: jobapi.ShortToken(token)}
	project := strings.ToLower(fmt.Sprintf("runner-%s-project-%d-concurrent-%d", n.short, in.Job.JobInfo.ProjectID, in.ProjectSlot))
	project = regexp.MustCompile(`[^-a-z0-9]`).ReplaceAllString(project, "")
	n.project = project[:min(len(project), 63)]
	n.unique = n.project + "-" + in.Random
	n.network = fmt.Sprintf("runner-%s-%d-%d-%d", n.short, in.Job.JobInfo.ProjectID, in.ProjectSlot, in.Job.ID)
	if in.Network != "" {
		n.network = in.Network
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s-%s-%d-%d", token, in.SystemID, in.Job.JobInfo.ProjectID, in.ProjectSlot))
	n.reusable = "runner-" + hex.EncodeToString(sum[:16])
	return n
}

// volume is the name of a cache volume for a path in the containers.
func (n names) volume(destination string, temporary, protected bool) string {
	prefix := n.reusable
	if temporary {
		prefix = n.unique
	}
	sum := md5.Sum([]byte(destination))
	name := prefix + "-cache-" + hex.EncodeToString(sum[:])
	if protected {
		name += "-protected"
	}
	return name
}

// store is the name of the volume, but for its version, that keeps the images of a sidecar. A job chooses the key, so what
// is protected stands before it: no key makes the name of a protected one.
func (n names) store(key string, protected bool) string {
	if protected {
		return n.reusable + "-protected-store-" + key
	}
	return n.reusable + "-store-" + key
}

// directory is where a cache lies below cache_dir of [runners.docker], in place of a volume that outlives the job.
func (n names) directory(destination string, protected bool) string {
	name := strings.TrimPrefix(n.volume(destination, false, protected), n.reusable+"-cache-")
	return path.Join(n.reusable, name)
}

// makeLabels are gitlab-runner's and the one that makes a thing ours (docker-executor contract 2.3).
func makeLabels(c *compiler) map[string]string {
	j := c.Job
	labels := map[string]string{
		"job.id": strconv.FormatInt(j.ID, 10), "job.url": c.vars.get("CI_JOB_URL"),
		"job.sha": j.GitInfo.SHA, "job.before_sha": j.GitInfo.BeforeSHA, "job.ref": j.GitInfo.Ref,
		"job.timeout":       Timeout(j).String(),
		"project.id":        strconv.FormatInt(j.JobInfo.ProjectID, 10),
		"project.runner_id": strconv.Itoa(c.ProjectSlot),
		"pipeline.id":       c.vars.get("CI_PIPELINE_ID"),
		"runner.id":         c.names.short, "runner.local_id": strconv.Itoa(c.Slot), "runner.system_id": c.SystemID,
		"managed": "true",
	}
	all := map[string]string{executor.LabelOwner: c.SystemID}
	for k, v := range labels {
		all["com.gitlab.gitlab-runner."+k] = v
	}
	return all
}

// containerLabels are those of the configuration, which every container of the job gets.
func containerLabels(c *compiler, service bool) map[string]string {
	labels := map[string]string{}
	for k, v := range c.Runner.Docker.ContainerLabels {
		labels[k] = c.vars.expand(v)
		if service {
			labels["com.gitlab.gitlab-runner."+k] = labels[k]
		}
	}
	return labels
}
