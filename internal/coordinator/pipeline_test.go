package coordinator

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lced-runner/internal/ciyaml"
)

func TestStages(t *testing.T) {
	t.Parallel()
	// Each pipeline runs with the endings that "fail" and "cancel" name; all other jobs succeed.
	for name, c := range map[string]struct {
		file, fail, cancel string
		want               string // name=state in order
		state              string
	}{
		"all succeed": {
			"stages: [a, b]\ny: {stage: b, script: x}\nx: {stage: a, script: x}\n", "", "", "x=success y=success", StateSuccess,
		},
		"a failure skips what follows": {
			"stages: [a, b, c]\nx: {stage: a, script: x}\nx2: {stage: a, script: x}\ny: {stage: b, script: x}\nz: {stage: c, script: x, when: always}\nf: {stage: c, script: x, when: on_failure}\n",
			"x", "", "x=failed x2=success y=skipped z=success f=success", StateFailed,
		},
		"an allowed failure does not": {
			"stages: [a, b]\nx: {stage: a, script: x, allow_failure: true}\ny: {stage: b, script: x}\nf: {stage: b, script: x, when: on_failure}\n",
			"x", "", "x=failed y=success f=skipped", StateSuccess,
		},
		"after a cancel nothing starts": {
			"stages: [a, b]\nx: {stage: a, script: x}\ny: {stage: b, script: x, when: always}\n", "", "x", "x=canceled y=skipped", StateCanceled,
		},
		"manual jobs that may fail are passed": {
			"stages: [a, b]\nx: {stage: a, script: x, when: manual}\ny: {stage: b, script: x}\n", "", "", "x=manual y=success", StateSuccess,
		},
		"manual jobs that may not fail block": {
			"stages: [a, b]\nx: {stage: a, script: x, when: manual, allow_failure: false}\ny: {stage: b, script: x}\n", "", "", "x=manual y=created", StateManual,
		},
		"never and edges": {
			"post: {stage: .post, script: x}\nt: {script: x}\npre: {stage: .pre, script: x}\nn: {script: x, when: never}\n", "", "", "pre=success t=success post=success", StateSuccess,
		},
		"only on failure": {"x: {script: x, when: on_failure}\n", "", "", "x=skipped", StateSkipped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl := start(t, Options{})
			id, err := cl.server.Submit(t.Context(), Submission{Pipeline: parse(t, c.file)})
			if err != nil {
				t.Fatal(err)
			}
			for cl.runNext(c.fail, c.cancel) {
			}
			var got []string
			for _, j := range cl.server.Jobs(id) {
				got = append(got, j.Name+"="+j.State)
			}
			wantEqual(t, "jobs", c.want, strings.Join(got, " "))
			if state, err := cl.server.Wait(t.Context(), id); state != c.state || err != nil {
				t.Errorf("pipeline is %s, %v, want %s", state, err, c.state)
			}
			cl.wantViolations()
		})
	}
}

// runNext runs one job to its end if there is one.
func (c *client) runNext(fail, cancel string) bool {
	c.t.Helper()
	out := c.json("POST", "/jobs/request", identity(nil))
	if out.status != 201 {
		return false
	}
	var payload struct {
		ID      int64
		Token   string
		JobInfo struct{ Name string } `json:"job_info"`
	}
	if err := json.Unmarshal(out.body, &payload); err != nil {
		c.t.Fatal(err)
	}
	job := &lease{client: c, id: payload.ID, token: payload.Token}
	job.put(StateRunning, nil)
	switch payload.JobInfo.Name {
	case fail:
		job.put(StateFailed, map[string]any{"failure_reason": "script_failure", "exit_code": 1})
	case cancel:
		c.server.Cancel(job.id)
		job.put(StateFailed, map[string]any{"failure_reason": "unknown_failure"})
	default:
		job.put(StateSuccess, nil)
	}
	return true
}

func TestUnsupportedRunner(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	id, err := c.server.Enqueue(t.Context(), JobSpec{Job: ciyaml.Job{Script: []string{"x"}, AllowedExitCodes: []int{2}}})
	if err != nil {
		t.Fatal(err)
	}
	c.json("POST", "/jobs/request", identity(map[string]any{"info": map[string]any{"features": map[string]any{"masking": true}}}))
	if job, _ := c.server.Job(id); job.State != StateFailed || job.FailureReason != "runner_unsupported" {
		t.Errorf("job is %s, %s", job.State, job.FailureReason)
	}
}

const payloadFile = `
variables:
  HARBOR_HOST: harbor.lan
  TAG: "${HARBOR_HOST}/lced/${NAME}:$CI_COMMIT_SHORT_SHA"
  NAME: global
  PLAIN: {value: "$NAME", expand: false}
build:
  stage: build
  image: {name: "docker:latest", entrypoint: [""], docker: {platform: linux/arm64}, pull_policy: if-not-present}
  services:
    - {name: "docker:latest", alias: docker, command: ["--tls=false"], variables: {DOCKER_TLS_CERTDIR: ""}}
  variables: {NAME: job, GIT_DEPTH: 0}
  before_script: [one]
  script: [two, three]
  after_script: [four]
  hooks: {pre_get_sources_script: [five]}
  timeout: 10 minutes
  tags: [lced]
`

// TestPayload compares a payload with a golden file whose shape is that of a GitLab 19.
func TestPayload(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	_, err := c.server.Submit(t.Context(), Submission{
		Pipeline:   parse(t, payloadFile),
		Repository: Repository{Path: "field/sensor-gw", ProjectID: 342},
		Variables:  []Variable{{Key: "DEPLOY_KEY", Value: "-----$NAME", File: true, Raw: true}, {Key: "PASS", Value: "masked-value", Masked: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	payload := c.take()
	token, _ := payload["token"].(string)
	info, _ := payload["job_info"].(map[string]any)
	info["time_in_queue_seconds"] = 0
	var kept []any
	for _, v := range payload["variables"].([]any) {
		variable := v.(map[string]any)
		switch variable["key"] {
		case "CI_JOB_STARTED_AT", "CI_PIPELINE_CREATED_AT":
			variable["value"] = "TIME"
		case "CI_SERVER_PORT":
			variable["value"] = "PORT"
		}
		kept = append(kept, variable)
	}
	payload["variables"] = kept
	text, err := json.MarshalIndent(payload, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimSuffix(strings.TrimPrefix(c.url, "http://"), "/gitlab")
	got := strings.NewReplacer(token, "JOB-TOKEN", host, "127.0.0.1:PORT").Replace(string(text)) + "\n"
	const golden = "testdata/payload.json"
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("payload differs from %s (-want +got):\n%s", golden, diff)
	}
	c.wantViolations()
}

func TestPatchedPayload(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	_, err := c.server.Enqueue(t.Context(), JobSpec{
		Job: ciyaml.Job{Script: []string{"x"}},
		Patch: func(payload map[string]any) {
			payload["cache"] = nil
			payload["news"] = map[string]any{"a": 1}
			delete(payload, "hooks")
			payload["features"].(map[string]any)["trace_sections"] = false
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	payload := c.take()
	_, hooks := payload["hooks"]
	cache, hasCache := payload["cache"]
	if hooks || !hasCache || cache != nil || payload["news"] == nil || payload["features"].(map[string]any)["trace_sections"] != false {
		t.Errorf("patch is not in the payload: %v", payload)
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   []Variable
		want []string // values
	}{
		"recursive":              {vars("A", "$B-${C}", "B", "<$C>", "C", "c"), []string{"<c>-c", "<c>", "c"}},
		"percent":                {vars("A", "%B%", "B", "b"), []string{"b", "b"}},
		"unknown stays":          {vars("A", "$NOPE ${NOPE}"), []string{"$NOPE ${NOPE}"}},
		"escaped stays":          {vars("A", "$$B %%B%%", "B", "b"), []string{"$$B %%B%%", "b"}},
		"not a name":             {vars("A", "$5 100% ${} $(B)", "B", "b"), []string{"$5 100% ${} $(B)", "b"}},
		"itself":                 {vars("PATH", "$PATH:/x"), []string{"$PATH:/x"}},
		"a circle stops all":     {vars("A", "$B", "B", "$A", "C", "$D", "D", "d"), []string{"$B", "$A", "$D", "d"}},
		"the last one counts":    {vars("A", "$B", "B", "old", "B", "new"), []string{"new", "old", "new"}},
		"raw is not expanded":    {[]Variable{{Key: "A", Value: "$B", Raw: true}, {Key: "B", Value: "b"}}, []string{"$B", "b"}},
		"reference to raw stays": {[]Variable{{Key: "A", Value: "x$B"}, {Key: "B", Value: "b", Raw: true}}, []string{"x$B", "b"}},
		"to file stays":          {[]Variable{{Key: "A", Value: "x$B"}, {Key: "B", Value: "b", File: true}}, []string{"x$B", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range expandAll(c.in) {
				got = append(got, v.Value)
			}
			wantEqual(t, "values", c.want, got)
		})
	}
}

func vars(pairs ...string) []Variable {
	var out []Variable
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Variable{Key: pairs[i], Value: pairs[i+1]})
	}
	return out
}

func TestSlug(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"feature/Größe_1": "feature-gr--e-1", "-x-": "x", strings.Repeat("a", 62) + "/b": strings.Repeat("a", 62),
	} {
		wantEqual(t, text, want, slug(text))
	}
}
