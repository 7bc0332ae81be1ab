package coordinator

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"lced-runner/internal/ciyaml"
)

// variables gives what a job gets, in the order in which a later definition wins: predefined, then the file's, where the
// job's own replace the pipeline's, then those of dotenv reports, then the project's.
func (s site) variables(j *job) []Variable {
	out := s.jobVariables(j)
	out = append(out, s.serverVariables()...)
	out = append(out, s.projectVariables(j.pipeline)...)
	out = append(out, s.pipelineVariables(j.pipeline)...)
	out = append(out, commitVariables(j.pipeline)...)
	out = append(out, runnerVariables(j.runner)...)
	out = append(out, fileVariables(j.pipeline.source.Pipeline.Variables, j.spec.Variables)...)
	out = append(out, dotenvVariables(j)...)
	out = append(out, j.pipeline.source.Variables...)
	if j.pipeline.source.Repository.Dir == "" && !hasKey(out, "GIT_STRATEGY") {
		out = append(out, public("GIT_STRATEGY", "none"))
	}
	return out
}

func public(key, value string) Variable { return Variable{Key: key, Value: value, Public: true} }

// fromOutside is for values that people write freely: a $ in them means nothing.
func fromOutside(key, value string) Variable {
	return Variable{Key: key, Value: value, Public: true, Raw: true}
}

func (s site) jobVariables(j *job) []Variable {
	page := s.projectURL(j.pipeline)
	return []Variable{
		public("CI_PIPELINE_ID", strconv.FormatInt(j.Pipeline, 10)),
		public("CI_PIPELINE_URL", fmt.Sprintf("%s/-/pipelines/%d", page, j.Pipeline)),
		public("CI_JOB_ID", strconv.FormatInt(j.ID, 10)),
		public("CI_JOB_URL", fmt.Sprintf("%s/-/jobs/%d", page, j.ID)),
		{Key: "CI_JOB_TOKEN", Value: j.Token, Masked: true},
		public("CI_JOB_STARTED_AT", j.HandedOut.UTC().Format(time.RFC3339)),
		{Key: "CI_REPOSITORY_URL", Value: s.repositoryURL(j)},
		public("CI_JOB_NAME", j.Name),
		public("CI_JOB_NAME_SLUG", slug(j.Name)),
		public("CI_JOB_GROUP_NAME", j.Name),
		public("CI_JOB_STAGE", j.Stage),
		public("CI_NODE_TOTAL", "1"),
		public("CI", "true"),
		public("GITLAB_CI", "true"),
		public("GITLAB_FEATURES", ""),
	}
}

func (s site) serverVariables() []Variable {
	port := s.base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[s.base.Scheme]
	}
	host := s.base.Hostname()
	return []Variable{
		public("CI_SERVER_URL", s.base.String()),
		public("CI_SERVER_HOST", host),
		public("CI_SERVER_FQDN", s.base.Host),
		public("CI_SERVER_PORT", port),
		public("CI_SERVER_PROTOCOL", s.base.Scheme),
		public("CI_SERVER_SHELL_SSH_HOST", host),
		public("CI_SERVER_SHELL_SSH_PORT", "22"),
		public("CI_SERVER_NAME", "GitLab"),
		public("CI_SERVER_VERSION", "19.3.0"), // the GitLab whose protocol is spoken here
		public("CI_SERVER_VERSION_MAJOR", "19"),
		public("CI_SERVER_VERSION_MINOR", "3"),
		public("CI_SERVER_VERSION_PATCH", "0"),
		public("CI_SERVER_REVISION", "local"),
		public("CI_API_V4_URL", s.base.String()+"/api/v4"),
		public("CI_API_GRAPHQL_URL", s.base.String()+"/api/graphql"),
		public("CI_TEMPLATE_REGISTRY_HOST", "registry.gitlab.com"),
	}
}

func (s site) projectVariables(p *pipeline) []Variable {
	name, namespace := path.Base(p.project.path), path.Dir(p.project.path)
	root, _, _ := strings.Cut(namespace, "/")
	branch := p.source.Repository.withDefaults().DefaultBranch
	return []Variable{
		public("CI_PROJECT_ID", strconv.FormatInt(p.project.id, 10)),
		public("CI_PROJECT_NAME", name),
		fromOutside("CI_PROJECT_TITLE", name),
		fromOutside("CI_PROJECT_DESCRIPTION", ""),
		public("CI_PROJECT_PATH", p.project.path),
		public("CI_PROJECT_PATH_SLUG", slug(p.project.path)),
		public("CI_PROJECT_NAMESPACE", namespace),
		public("CI_PROJECT_NAMESPACE_SLUG", slug(namespace)),
		public("CI_PROJECT_NAMESPACE_ID", "1"),
		public("CI_PROJECT_ROOT_NAMESPACE", root),
		public("CI_PROJECT_URL", s.projectURL(p)),
		public("CI_PROJECT_VISIBILITY", "private"),
		public("CI_PROJECT_REPOSITORY_LANGUAGES", ""),
		public("CI_PROJECT_CLASSIFICATION_LABEL", ""),
		public("CI_DEFAULT_BRANCH", branch),
		public("CI_DEFAULT_BRANCH_SLUG", slug(branch)),
		public("CI_CONFIG_PATH", ".gitlab-ci.yml"),
	}
}

func (s site) pipelineVariables(p *pipeline) []Variable {
	return []Variable{
		public("CI_PIPELINE_IID", strconv.FormatInt(p.id, 10)),
		public("CI_PIPELINE_SOURCE", "push"),
		public("CI_PIPELINE_CREATED_AT", p.created.UTC().Format(time.RFC3339)),
		public("GITLAB_USER_ID", "1"),
		public("GITLAB_USER_EMAIL", "root@"+s.base.Hostname()),
		public("GITLAB_USER_LOGIN", "root"),
		public("GITLAB_USER_NAME", "Administrator"),
	}
}

func commitVariables(p *pipeline) []Variable {
	r := p.source.Repository.withDefaults()
	title, rest, _ := strings.Cut(p.commit.message, "\n")
	kind := "CI_COMMIT_BRANCH"
	if r.Tag {
		kind = "CI_COMMIT_TAG"
	}
	return []Variable{
		public("CI_COMMIT_SHA", p.commit.sha),
		public("CI_COMMIT_SHORT_SHA", p.commit.sha[:8]),
		public("CI_COMMIT_BEFORE_SHA", p.beforeSHA()),
		public("CI_COMMIT_REF_NAME", r.Ref),
		public("CI_COMMIT_REF_SLUG", slug(r.Ref)),
		public(kind, r.Ref),
		public("CI_COMMIT_REF_PROTECTED", strconv.FormatBool(r.Protected)),
		public("CI_COMMIT_TIMESTAMP", p.commit.timestamp),
		fromOutside("CI_COMMIT_AUTHOR", p.commit.author),
		fromOutside("CI_COMMIT_MESSAGE", p.commit.message),
		fromOutside("CI_COMMIT_TITLE", title),
		fromOutside("CI_COMMIT_DESCRIPTION", strings.TrimPrefix(rest, "\n")),
	}
}

// runnerVariables are empty until a runner took the job.
func runnerVariables(r *runner) []Variable {
	if r == nil {
		return nil
	}
	tags, _ := json.Marshal(append([]string{}, r.Tags...)) // strings always marshal
	return []Variable{
		public("CI_RUNNER_ID", strconv.FormatInt(r.ID, 10)),
		fromOutside("CI_RUNNER_DESCRIPTION", r.Description),
		public("CI_RUNNER_TAGS", string(tags)),
	}
}

func fileVariables(global, own []ciyaml.Variable) []Variable {
	var out []Variable
	at := map[string]int{}
	for _, v := range append(append([]ciyaml.Variable{}, global...), own...) {
		made := Variable{Key: v.Name, Value: v.Value, Public: true, Raw: v.Raw}
		if i, known := at[v.Name]; known {
			out[i] = made
			continue
		}
		at[v.Name] = len(out)
		out = append(out, made)
	}
	return out
}

func (s site) projectURL(p *pipeline) string { return s.base.String() + "/" + p.project.path }

func (s site) repositoryURL(j *job) string {
	return fmt.Sprintf("%s://gitlab-ci-token:%s@%s%s/%s.git", s.base.Scheme, j.Token, s.base.Host, s.base.Path, j.pipeline.project.path)
}

func (p *pipeline) beforeSHA() string {
	if before := p.source.Repository.BeforeSHA; before != "" {
		return before
	}
	return strings.Repeat("0", len(p.commit.sha))
}

// slug is GitLab's: lower case, at most 63 characters, everything but letters and digits a dash, none at the ends.
func slug(text string) string {
	var out strings.Builder
	for _, c := range strings.ToLower(text) {
		if c < 'a' || c > 'z' {
			if c < '0' || c > '9' {
				c = '-'
			}
		}
		out.WriteRune(c)
	}
	cut := out.String()
	return strings.Trim(cut[:min(len(cut), 63)], "-")
}

// hasKey says whether variables hold a key.
func hasKey(variables []Variable, key string) bool {
	return slices.ContainsFunc(variables, func(v Variable) bool { return v.Key == key })
}
