package jobapi

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func example(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/job.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestJobExample(t *testing.T) {
	t.Parallel()
	var job Job
	if err := json.Unmarshal(example(t), &job); err != nil {
		t.Fatal(err)
	}
	const token = Secret("glcbt-64_EXAMPLEexampleEXAMPLE1")
	if job.ID != 481516 || job.Token != token || !job.AllowGitFetch {
		t.Errorf("%d %q %v", job.ID, job.Token.Reveal(), job.AllowGitFetch)
	}
	unprotected := false
	same(t, JobInfo{
		ID: 481516, Name: "image:arm64", Stage: "build", ProjectID: 342, ProjectName: "sensor-gw",
		ProjectFullPath: "field/sensor-gw", PipelineID: 77120, NamespaceID: 55, RootNamespaceID: 55, UserID: 19,
		TimeInQueue: 2.41, ProjectJobs: "0", QueueSize: 1, QueueDepth: 1,
	}, job.JobInfo)
	same(t, GitInfo{
		RepoURL:          "https://gitlab-ci-token:glcbt-64_EXAMPLEexampleEXAMPLE1@git.example.net/field/sensor-gw.git",
		RepoObjectFormat: "sha1", Ref: "main", RefType: "branch",
		SHA: "5f2d8c0a9be14d7796e3a1c44bb0d2f08e917c63", BeforeSHA: "1c9e77ab03f54c1e8a6cb9d0e2f7745de0a1b244",
		Refspecs: []string{"+refs/pipelines/77120:refs/pipelines/77120", "+refs/heads/main:refs/remotes/origin/main"},
		Depth:    20, Protected: &unprotected,
	}, job.GitInfo)
	same(t, RunnerInfo{Timeout: 3600}, job.RunnerInfo)
	variables := job.Variables[len(job.Variables)-3:]
	same(t, []Variable{
		{Key: "PRICE_NOTE", Value: "costs $5 per unit", Public: true, Raw: true},
		{Key: "DEPLOY_KEY", Value: "-----BEGIN KEY-----\nabc\n-----END KEY-----\n", File: true},
		{Key: "VAULT_ID_TOKEN", Value: "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", Masked: true},
	}, variables)
	same(t, Step{
		Name: "after_script", Script: []string{"docker logout \"$CI_REGISTRY\" || true"},
		Timeout: 3600, When: "always", AllowFailure: true,
	}, job.Steps[1])
	same(t, []Hook{{Name: "pre_get_sources_script", Script: []string{"git config --global http.postBuffer 524288000"}}}, job.Hooks)
	job.Image.ExecutorOpts.Raw = nil
	same(t, Image{
		Name: "docker:latest", PullPolicy: []string{"if-not-present"},
		ExecutorOpts: ExecutorOpts{Docker: DockerOpts{Platform: "linux/arm64"}},
	}, job.Image)
	same(t, []Image{{
		Name: "docker:latest", Alias: "docker", Command: []string{"--tls=false"},
		Variables:    []Variable{{Key: "DOCKER_TLS_CERTDIR"}},
		ExecutorOpts: ExecutorOpts{Raw: json.RawMessage("{}")},
	}}, job.Services)
	same(t, Artifact{
		Name: ".env", Paths: []string{"build.env"}, When: "always", ExpireIn: "1 week", Type: "dotenv", Format: "gzip",
	}, job.Artifacts[1])
	same(t, []Cache{{
		Key: "gomod-main-2-non_protected", Paths: []string{".cache/go/"}, Policy: "pull-push", When: "on_success",
		FallbackKeys: []string{"gomod-default-2-non_protected"},
	}}, job.Cache)
	same(t, Credential{Type: "registry", URL: "git.example.net:443", Username: "gitlab-ci-token", Password: token}, job.Credentials[1])
	if d := job.Dependencies[0]; d.ID != 481510 || d.ArtifactsFile.Filename != "artifacts.zip" || d.ArtifactsFile.Size != 1843201 || d.Token != token {
		t.Errorf("dependency %d %s %d", d.ID, d.ArtifactsFile.Filename, d.ArtifactsFile.Size)
	}
	if !job.Features.TraceSections || len(job.Features.FailureReasons) != 12 {
		t.Errorf("features %v", job.Features)
	}
	if inputs, err := job.ParseInputs(); inputs != nil || err != nil || job.HasSecrets() || job.Run != "" {
		t.Error("inputs, secrets or run out of nowhere")
	}
}

func same[T any](t *testing.T, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Checklist 17 and its kin: what must not fail a job.
func TestJobLenient(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		payload string
		want    Job
	}{
		"nulls": {
			`{"job_info": null, "git_info": null, "runner_info": null, "variables": null, "steps": null, "hooks": null,
			  "image": null, "services": null, "artifacts": null, "cache": null, "credentials": null, "dependencies": null,
			  "features": null, "run": null}`,
			Job{},
		},
		"nulls inside": {
			`{"variables": [{"key": "K", "value": null}], "artifacts": [{"name": null, "paths": null}],
			  "image": {"name": "a", "entrypoint": null, "pull_policy": null, "executor_opts": null},
			  "git_info": {"protected": null}}`,
			Job{Variables: []Variable{{Key: "K"}}, Artifacts: []Artifact{{}}, Image: Image{Name: "a"}},
		},
		"unknown fields": {`{"new": {"a": [1]}, "image": {"name": "a", "ports": "x", "new": 1}}`, Job{Image: Image{Name: "a"}}},
		"fields without use have odd types": {
			`{"job_info": {"name": "n", "pipeline_id": "7", "user_id": null, "project_full_path": [], "time_in_queue_seconds": "x", "namespace_id": 3},
			  "runner_info": {"timeout": 5, "runner_session_url": 7}, "policy_options": 1, "suspend_options": "x",
			  "steps": [{"name": "script", "timeout": "1h", "when": 3, "allow_failure": {}, "script": ["a"]}],
			  "features": {"tracing": 9}}`,
			Job{
				JobInfo: JobInfo{Name: "n", NamespaceID: 3}, RunnerInfo: RunnerInfo{Timeout: 5},
				Steps: []Step{{Name: "script", Script: []string{"a"}}},
			},
		},
		"pull policy as text":  {`{"image": {"pull_policy": "always"}}`, Job{Image: Image{PullPolicy: []string{"always"}}}},
		"pull policy as list":  {`{"image": {"pull_policy": ["never", "always"]}}`, Job{Image: Image{PullPolicy: []string{"never", "always"}}}},
		"pull policy is empty": {`{"image": {"pull_policy": ""}}`, Job{}},
		"user as text":         {`{"image": {"executor_opts": {"docker": {"user": "app:9"}}}}`, Job{Image: Image{ExecutorOpts: ExecutorOpts{Docker: DockerOpts{User: "app:9"}}}}},
		"user as number":       {`{"image": {"executor_opts": {"docker": {"user": 1000}}}}`, Job{Image: Image{ExecutorOpts: ExecutorOpts{Docker: DockerOpts{User: "1000"}}}}},
		"user is null":         {`{"image": {"executor_opts": {"docker": {"user": null}}}}`, Job{}},
		"odd kubernetes":       {`{"image": {"executor_opts": {"kubernetes": 7, "docker": null}}}`, Job{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got Job
			if err := json.Unmarshal([]byte(test.payload), &got); err != nil {
				t.Fatal(err)
			}
			if err := got.Image.ExecutorOpts.Unsupported("image"); err != nil {
				t.Error(err)
			}
			if strings.Contains(test.payload, `"executor_opts": null`) && got.Image.ExecutorOpts.Raw != nil {
				t.Errorf("null options were kept as %s", got.Image.ExecutorOpts.Raw)
			}
			got.Image.ExecutorOpts.Raw = nil
			same(t, test.want, got)
		})
	}
}

// Where a wrong type would make the job do something else than the user wrote, it must be an error.
func TestJobStrict(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		`{"id": "x"}`, `{"steps": [{"script": "a"}]}`, `{"variables": {}}`, `{"job_info": {"project_id": "x"}}`,
		`{"image": {"pull_policy": 7}}`, `{"image": {"executor_opts": {"docker": {"user": {}}}}}`, `{"services": "x"}`,
	} {
		if err := json.Unmarshal([]byte(payload), new(Job)); err == nil {
			t.Errorf("%s was decoded", payload)
		}
	}
}

func TestUnsupportedExecutorOpts(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		`{}`: "",
		`{"docker": {"platform": "p", "user": "u"}, "kubernetes": {"user": 1}}`: "",
		`{"docker": {"x": 1, "user": "u"}}`:                                     `Unsupported "service" options [x] for "docker executor"; supported options are [platform user]`,
		`{"docker": {"z": 1, "a": 1}}`:                                          `Unsupported "service" options [a z] for "docker executor"; supported options are [platform user]`,
		`{"kubernetes": {"platform": 1}}`:                                       `Unsupported "service" options [platform] for "kubernetes executor"; supported options are [user]`,
		`{"podman": {}}`:                                                        `Unsupported "service" options [podman] for "executor_opts"; supported options are [docker kubernetes]`,
	}
	for payload, want := range tests {
		var opts ExecutorOpts
		if err := json.Unmarshal([]byte(payload), &opts); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := opts.Unsupported("service"); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", payload, got, want)
		}
	}
}

func TestJobOptionalObjects(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]bool{
		`{}`: false, `{"secrets": null}`: false, `{"secrets": {}}`: false, `{"secrets": { }}`: false, `{"secrets": {"A": {}}}`: true,
	} {
		var job Job
		if err := json.Unmarshal([]byte(payload), &job); err != nil {
			t.Fatal(err)
		}
		if job.HasSecrets() != want {
			t.Errorf("%s: %v", payload, job.HasSecrets())
		}
	}
}

func TestJobIsNotPrinted(t *testing.T) {
	t.Parallel()
	var job Job
	if err := json.Unmarshal(example(t), &job); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, value := range []any{job, &job, job.Variables, job.Credentials} {
			if got := fmt.Sprintf(format, value); strings.Contains(got, "EXAMPLEexample") || strings.Contains(got, "BEGIN KEY") {
				t.Errorf("%s prints %s", format, got)
			}
		}
	}
}

// Decoding never panics, and what was decoded survives a journal: encoded and decoded again it is the same.
func FuzzJob(f *testing.F) {
	f.Add(example(f))
	// What package plan is specified by is what GitLab sends.
	payloads, err := filepath.Glob("../internal/plan/testdata/*/job.json")
	if err != nil || len(payloads) == 0 {
		f.Fatalf("%d payloads (%v)", len(payloads), err)
	}
	for _, path := range payloads {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"id": 1, "image": {"pull_policy": "always", "executor_opts": {"docker": {"user": 7, "x": 1}}}, "run": "[]"}`))
	f.Add([]byte(`{"job_info": {"pipeline_id": "x"}, "steps": [{"timeout": []}], "inputs": 7, "secrets": {"a": 1}}`))
	f.Add([]byte(`{"git_info": {"protected": true, "depth": -1}, "dependencies": [{"artifacts_file": null}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var job Job
		if json.Unmarshal(text, &job) != nil {
			return
		}
		_ = job.Image.ExecutorOpts.Unsupported("image")
		first, err := json.Marshal(job)
		if err != nil {
			t.Fatal(err)
		}
		var again Job
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s: %v", first, err)
		}
		second, err := json.Marshal(again)
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != string(second) {
			t.Errorf("%s became %s", first, second)
		}
	})
}
