package coordinator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"time"

	"lced-runner/internal/ciyaml"
)

// site is the server as it is set up. Payloads and variables are made from it and the job alone.
type site struct {
	options Options
	base    *url.URL // Options.URL
}

// Parts of the job payload that need more than a literal. Their fields are GitLab's.
type (
	stepPayload struct {
		Name         string   `json:"name"`
		Script       []string `json:"script"`
		Timeout      int      `json:"timeout"`
		When         string   `json:"when"`
		AllowFailure bool     `json:"allow_failure"`
	}
	imagePayload struct {
		Name         string                       `json:"name"`
		Entrypoint   []string                     `json:"entrypoint"`
		Ports        []any                        `json:"ports"`
		ExecutorOpts map[string]map[string]string `json:"executor_opts"`
		PullPolicy   []string                     `json:"pull_policy"`
	}
	servicePayload struct {
		imagePayload
		Alias     string            `json:"alias,omitempty"`
		Command   []string          `json:"command"`
		Variables []serviceVariable `json:"variables"`
	}
	serviceVariable struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
)

// payload makes the body of the 201 and notes what its runner may send.
func (s site) payload(j *job) (map[string]any, error) {
	variables := expandAll(s.variables(j))
	timeout := int(s.options.JobTimeout / time.Second)
	if j.spec.Timeout > 0 {
		timeout = int(j.spec.Timeout / time.Second)
	}
	content := map[string]any{
		"id":              j.ID,
		"token":           j.Token,
		"allow_git_fetch": true,
		"job_info":        jobInfo(j),
		"git_info":        s.gitInfo(j, variables),
		"runner_info":     map[string]any{"timeout": timeout, "runner_session_url": nil},
		"inputs":          []any{},
		"variables":       variables,
		"steps":           steps(j.spec, timeout),
		"hooks":           hooks(j.spec),
		"image":           nil,
		"services":        services(j.spec.Services),
		"artifacts":       artifactPayloads(j),
		"cache":           j.pipeline.caches[j.Name],
		"credentials":     []any{},
		"dependencies":    dependencyPayloads(j),
		"features":        map[string]any{"trace_sections": true, "failure_reasons": failureReasons()},
		"policy_options":  map[string]any{"execution_policy_job": false, "policy_name": nil},
		"suspend_options": map[string]any{},
	}
	if j.spec.Image != nil {
		content["image"] = image(*j.spec.Image)
	}
	out, err := decoded(content)
	if err != nil {
		return nil, fmt.Errorf("making the payload of job %d: %w", j.ID, err)
	}
	if patch := j.pipeline.source.Patch; patch != nil {
		patch(j.Name, out)
	}
	j.secrets, j.reasons, j.wanted = secretsOf(out), acceptedReasons(out), wantedArtifacts(out)
	return out, nil
}

// decoded gives the plain JSON form, which a Patch may change at will.
func decoded(content map[string]any) (map[string]any, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	out := map[string]any{}
	return out, decoder.Decode(&out)
}

// secretsOf gives the job token and the values of masked variables.
func secretsOf(payload map[string]any) []string {
	token, _ := payload["token"].(string)
	secrets := []string{token}
	variables, _ := payload["variables"].([]any)
	for _, v := range variables {
		variable, _ := v.(map[string]any)
		if masked, _ := variable["masked"].(bool); masked {
			value, _ := variable["value"].(string)
			secrets = append(secrets, value)
		}
	}
	return secrets
}

func jobInfo(j *job) map[string]any {
	return map[string]any{
		"id": j.ID, "name": j.Name, "stage": j.Stage,
		"pipeline_id": j.Pipeline, "project_id": j.pipeline.project.id, "project_name": path.Base(j.pipeline.project.path),
		"project_full_path": j.pipeline.project.path, "namespace_id": 1, "root_namespace_id": 1, "organization_id": 1,
		"instance_id": "lced", "instance_uuid": "00000000-0000-4000-8000-000000000000", "user_id": 1,
		"time_in_queue_seconds":                          j.HandedOut.Sub(j.Created).Seconds(),
		"project_jobs_running_on_instance_runners_count": "0",
		"queue_size": 1, "queue_depth": 1,
	}
}

// defaultDepth is that of a new project on GitLab.
const defaultDepth = 20

func (s site) gitInfo(j *job, variables []Variable) map[string]any {
	p := j.pipeline
	r := p.source.Repository.withDefaults()
	depth := defaultDepth
	for _, v := range variables {
		if v.Key == "GIT_DEPTH" {
			depth, _ = strconv.Atoi(v.Value) // what is no number means all, as on GitLab
		}
	}
	refType, refspec := "branch", fmt.Sprintf("+refs/heads/%s:refs/remotes/origin/%s", r.Ref, r.Ref)
	if r.Tag {
		refType, refspec = "tag", fmt.Sprintf("+refs/tags/%s:refs/tags/%s", r.Ref, r.Ref)
	}
	refspecs := []string{fmt.Sprintf("+refs/pipelines/%d:refs/pipelines/%d", p.id, p.id)}
	if depth > 0 {
		refspecs = append(refspecs, refspec)
	} else {
		refspecs = append(refspecs, "+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
	}
	return map[string]any{
		"repo_url": s.repositoryURL(j), "repo_object_format": p.objects, "ref": r.Ref, "ref_type": refType,
		"sha": p.commit.sha, "before_sha": p.beforeSHA(), "refspecs": refspecs, "depth": depth, "protected": r.Protected,
	}
}

func steps(spec ciyaml.Job, timeout int) []stepPayload {
	script := append(append([]string{}, spec.BeforeScript...), spec.Script...)
	out := []stepPayload{{Name: "script", Script: script, Timeout: timeout, When: "on_success"}}
	if len(spec.AfterScript) > 0 {
		out = append(out, stepPayload{Name: "after_script", Script: spec.AfterScript, Timeout: timeout, When: "always", AllowFailure: true})
	}
	return out
}

func hooks(spec ciyaml.Job) []map[string]any {
	if len(spec.PreGetSources) == 0 {
		return []map[string]any{}
	}
	return []map[string]any{{"name": "pre_get_sources_script", "script": spec.PreGetSources}}
}

func image(spec ciyaml.Image) imagePayload {
	out := imagePayload{
		Name: spec.Name, Entrypoint: spec.Entrypoint, Ports: []any{}, PullPolicy: spec.PullPolicy,
		ExecutorOpts: map[string]map[string]string{},
	}
	docker := map[string]string{}
	if spec.Platform != "" {
		docker["platform"] = spec.Platform
	}
	if spec.User != "" {
		docker["user"] = spec.User
	}
	if len(docker) > 0 {
		out.ExecutorOpts["docker"] = docker
	}
	return out
}

func services(specs []ciyaml.Service) []servicePayload {
	out := []servicePayload{}
	for _, spec := range specs {
		service := servicePayload{imagePayload: image(spec.Image), Alias: spec.Alias, Command: spec.Command, Variables: []serviceVariable{}}
		for _, v := range spec.Variables {
			service.Variables = append(service.Variables, serviceVariable{Key: v.Name, Value: v.Value})
		}
		out = append(out, service)
	}
	return out
}
