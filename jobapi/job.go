package jobapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

// Job is the payload of a job as the server hands it out. Absent and null fields are zero values; fields that no
// runner needs are not here, so that their shape can never fail a job.
type Job struct {
	ID            int64  `json:"id"`
	Token         Secret `json:"token"` // valid while the server sees the job as running or canceling
	AllowGitFetch bool   `json:"allow_git_fetch"`

	JobInfo      JobInfo      `json:"job_info"`
	GitInfo      GitInfo      `json:"git_info"`
	RunnerInfo   RunnerInfo   `json:"runner_info"`
	Variables    []Variable   `json:"variables"` // in order: the last definition of a key wins
	Steps        []Step       `json:"steps"`
	Hooks        []Hook       `json:"hooks"`
	Image        Image        `json:"image"` // empty name: the runner's default image
	Services     []Image      `json:"services"`
	Artifacts    []Artifact   `json:"artifacts"`
	Cache        []Cache      `json:"cache"`
	Credentials  []Credential `json:"credentials"`
	Dependencies []Dependency `json:"dependencies"`
	Features     Features     `json:"features"`
	Policy       Policy       `json:"policy_options"`

	Inputs  json.RawMessage `json:"inputs,omitempty"`  // see ParseInputs
	Secrets json.RawMessage `json:"secrets,omitempty"` // see HasSecrets
	Run     string          `json:"run"`               // JSON text of `run:` steps; empty for ordinary jobs

	// These two are no part of what GitLab sends; they stay with the payload wherever it is kept.
	RequestID   string `json:"lced_request_id,omitempty"`   // of the request that was answered with this job, for GitLab's logs
	ServerChain []byte `json:"lced_server_chain,omitempty"` // PEM of GitLab's certificate and its issuers; nil without TLS
}

// String names the job without its variables and tokens, for %v and its kin.
func (j Job) String() string { return fmt.Sprintf("job %d", j.ID) }

// GoString is String for %#v.
func (j Job) GoString() string { return j.String() }

// HasSecrets reports whether the job wants external secrets resolved, which needs the feature vault_secrets.
func (j Job) HasSecrets() bool { return hasContent(j.Secrets) }

// LogValue is String for slog, whose JSON handler would otherwise write the whole payload.
func (j Job) LogValue() slog.Value { return slog.StringValue(j.String()) }

// hasContent is false for an absent value, null and the empty list, object or string.
func hasContent(raw json.RawMessage) bool {
	text := strings.Join(strings.Fields(string(raw)), "")
	return !slices.Contains([]string{"", "null", "[]", "{}", `""`}, text)
}

// JobInfo names the job and what it belongs to.
type JobInfo struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Stage       string `json:"stage"`
	ProjectID   int64  `json:"project_id"`
	ProjectName string `json:"project_name"`

	// For logs and labels only, and absent before GitLab 17 to 19.
	ProjectFullPath string `json:"project_full_path"`
	PipelineID      int64  `json:"pipeline_id"`
	NamespaceID     int64  `json:"namespace_id"`
	RootNamespaceID int64  `json:"root_namespace_id"`
	UserID          int64  `json:"user_id"`

	// For metrics only.
	TimeInQueue float64 `json:"time_in_queue_seconds"`
	ProjectJobs string  `json:"project_jobs_running_on_instance_runners_count"` // "0" to "5", or "5+"
	QueueSize   int     `json:"queue_size"`
	QueueDepth  int     `json:"queue_depth"`
}

// UnmarshalJSON is strict about what names containers and volumes, and ignores odd types elsewhere.
func (i *JobInfo) UnmarshalJSON(data []byte) error {
	var needed struct {
		ID          int64  `json:"id"`
		Name        string `json:"name"`
		Stage       string `json:"stage"`
		ProjectID   int64  `json:"project_id"`
		ProjectName string `json:"project_name"`
	}
	if err := json.Unmarshal(data, &needed); err != nil {
		return err
	}
	type plain JobInfo
	return ignoreTypes(json.Unmarshal(data, (*plain)(i)))
}

// ignoreTypes drops the error for a value of another type than expected: encoding/json has then skipped that value
// and decoded all the others.
func ignoreTypes(err error) error {
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil
	}
	return err
}

// GitInfo says what to check out and how to get it.
type GitInfo struct {
	RepoURL          string   `json:"repo_url"`           // holds the job token: never print it unmasked
	RepoObjectFormat string   `json:"repo_object_format"` // sha1 (also when empty) or sha256
	Ref              string   `json:"ref"`
	SHA              string   `json:"sha"`
	BeforeSHA        string   `json:"before_sha"`
	RefType          string   `json:"ref_type"` // branch or tag
	Refspecs         []string `json:"refspecs"` // exactly what to fetch
	Depth            int      `json:"depth"`    // 0: full history
	Protected        *bool    `json:"protected,omitempty"`
}

// RunnerInfo holds the job's limits.
type RunnerInfo struct {
	Timeout int `json:"timeout"` // seconds for the whole job, image pulls included; 0 or less means 7200
}

// Variable is one job or service variable.
type Variable struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Public bool   `json:"public"` // false: never passed to services
	Masked bool   `json:"masked"` // hidden in the job log
	File   bool   `json:"file"`   // the environment holds the path of a file with the value
	Raw    bool   `json:"raw"`    // $ references are left as they are
}

// String shows the key only: values may be secret whether or not they are marked masked.
func (v Variable) String() string { return v.Key + "=" + masked }

// GoString is String for %#v.
func (v Variable) GoString() string { return v.String() }

// Step is one script of the job: "script", "after_script", "release" and others.
type Step struct {
	Name   string   `json:"name"`
	Script []string `json:"script"` // before_script is merged in; items may have several lines

	// Informational; a runner obeys RunnerInfo.Timeout and treats every step alike.
	Timeout      int    `json:"timeout"`
	When         string `json:"when"`
	AllowFailure bool   `json:"allow_failure"`
}

// UnmarshalJSON is strict about the script and ignores odd types in the informational fields.
func (s *Step) UnmarshalJSON(data []byte) error {
	var needed Hook
	if err := json.Unmarshal(data, &needed); err != nil {
		return err
	}
	type plain Step
	return ignoreTypes(json.Unmarshal(data, (*plain)(s)))
}

// Hook is a script that runs around get_sources: pre_get_sources_script or post_get_sources_script.
type Hook struct {
	Name   string   `json:"name"`
	Script []string `json:"script"`
}

// Image is the job's image or one of its services.
type Image struct {
	Name         string       `json:"name"`
	Alias        string       `json:"alias"` // services: names separated by comma or space
	Entrypoint   []string     `json:"entrypoint"`
	Command      []string     `json:"command"`
	Variables    []Variable   `json:"variables"`
	PullPolicy   PullPolicies `json:"pull_policy"`
	ExecutorOpts ExecutorOpts `json:"executor_opts"`
}

// PullPolicies are tried in order: always, if-not-present, never.
type PullPolicies []string

// UnmarshalJSON also takes one string, which old servers send.
func (p *PullPolicies) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err != nil {
		return json.Unmarshal(data, (*[]string)(p))
	}
	*p = nil
	if one != "" {
		*p = PullPolicies{one}
	}
	return nil
}

// ExecutorOpts are the options of image:docker and image:kubernetes. Raw keeps everything that came, so that
// Unsupported can name what this runner does not know.
type ExecutorOpts struct {
	Docker DockerOpts
	Raw    json.RawMessage
}

// DockerOpts are the options of image:docker that GitLab defines.
type DockerOpts struct {
	Platform string `json:"platform,omitempty"`
	User     string `json:"user,omitempty"`
}

// UnmarshalJSON never fails on keys it does not know: Unsupported reports them when the job runs.
func (o *ExecutorOpts) UnmarshalJSON(data []byte) error {
	var known struct {
		Docker DockerOpts `json:"docker"`
	}
	if err := json.Unmarshal(data, &known); err != nil {
		return err
	}
	*o = ExecutorOpts{Docker: known.Docker}
	if string(data) != "null" {
		o.Raw = slices.Clone(data)
	}
	return nil
}

// MarshalJSON writes what was received.
func (o ExecutorOpts) MarshalJSON() ([]byte, error) {
	if o.Raw != nil {
		return o.Raw, nil
	}
	return json.Marshal(map[string]DockerOpts{"docker": o.Docker})
}

// Unsupported returns an error in gitlab-runner's words if the options hold a key that this runner does not know.
// kind is "image" or "service". Such a job fails as runner_system_failure.
func (o ExecutorOpts) Unsupported(kind string) error {
	check := func(section string, raw json.RawMessage, known ...string) (map[string]json.RawMessage, error) {
		var got map[string]json.RawMessage
		if err := json.Unmarshal(raw, &got); err != nil {
			return nil, nil // absent, or kubernetes options of an odd type, which are ignored anyway
		}
		var unknown []string
		for key := range got {
			if !slices.Contains(known, key) {
				unknown = append(unknown, key)
			}
		}
		if len(unknown) == 0 {
			return got, nil
		}
		slices.Sort(unknown)
		// The sentence is gitlab-runner's, hence its capital letter: it is shown to the user as it is.
		return got, fmt.Errorf("Unsupported %q options %v for %q; supported options are %v", kind, unknown, section, known)
	}
	sections, err := check("executor_opts", o.Raw, "docker", "kubernetes")
	if err != nil {
		return err
	}
	_, errDocker := check("docker executor", sections["docker"], "platform", "user")
	_, errKubernetes := check("kubernetes executor", sections["kubernetes"], "user")
	return errors.Join(errDocker, errKubernetes)
}

// UnmarshalJSON takes the user as text or number.
func (o *DockerOpts) UnmarshalJSON(data []byte) error {
	var got struct {
		Platform string          `json:"platform"`
		User     json.RawMessage `json:"user"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		return err
	}
	*o = DockerOpts{Platform: got.Platform}
	if len(got.User) == 0 {
		return nil
	}
	var id int64
	if err := json.Unmarshal(got.User, &id); err == nil && string(got.User) != "null" {
		o.User = strconv.FormatInt(id, 10)
		return nil
	}
	return json.Unmarshal(got.User, &o.User)
}

// Artifact is one archive or report to upload.
type Artifact struct {
	Name      string   `json:"name"`
	Untracked bool     `json:"untracked"`
	Paths     []string `json:"paths"`
	Exclude   []string `json:"exclude"`
	When      string   `json:"when"`            // on_success (also when empty), on_failure, always
	Type      string   `json:"artifact_type"`   // archive, junit, dotenv and others
	Format    string   `json:"artifact_format"` // zip (also when empty), gzip, raw
	ExpireIn  string   `json:"expire_in"`       // passed through as it is
}

// Cache is one cache to restore and save.
type Cache struct {
	Key          string   `json:"key"`
	Untracked    bool     `json:"untracked"`
	Paths        []string `json:"paths"`
	Policy       string   `json:"policy"` // pull-push (also when empty), pull, push; may hold variables
	When         string   `json:"when"`
	FallbackKeys []string `json:"fallback_keys"`
}

// Credential is a login; only those of type registry matter.
type Credential struct {
	Type     string `json:"type"`
	URL      string `json:"url"` // host or host:port
	Username string `json:"username"`
	Password Secret `json:"password"`
}

// Dependency is an earlier job whose artifacts this job downloads; with an empty filename there are none.
type Dependency struct {
	ID            int64  `json:"id"`
	Name          string `json:"name"`
	Token         Secret `json:"token"`
	ArtifactsFile struct {
		Filename string `json:"filename"`
		Size     int64  `json:"size"` // bytes
	} `json:"artifacts_file"`
}

// Policy is set in a job that a security policy of the project has added.
type Policy struct {
	Job  bool   `json:"execution_policy_job"`
	Name string `json:"policy_name"`
}

// UnmarshalJSON ignores odd types: the job does without.
func (p *Policy) UnmarshalJSON(data []byte) error {
	type plain Policy
	return ignoreTypes(json.Unmarshal(data, (*plain)(p)))
}

// Features are those of the server.
type Features struct {
	TraceSections     bool     `json:"trace_sections"`
	TokenMaskPrefixes []string `json:"token_mask_prefixes"`
	FailureReasons    []string `json:"failure_reasons"` // see MapFailureReason
}
