package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// TestNotes runs the three experiments of test/notes, their configurations and pipelines as they stand.
func TestNotes(t *testing.T) {
	t.Parallel()
	for _, e := range []struct {
		name, config, pipeline string
		mode                   string // as the job log names it
		sidecar                bool
	}{
		{"1", "config-2.toml", "experiment-1.yml", "tcp://docker:2375 (mode plain)", true},
		{"2", "config-3.toml", "experiment-2.yml", "tcp://docker:2376 (mode tls)", true},
		{"3", "config-1.toml", "experiment-3.yml", "(mode socket)", false},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := prepareWorld(t, map[string]string{".gitlab-ci.yml": notes(t, e.pipeline)})
			w.writeConfig(w.notesConfig(e.config))
			seen := w.watchServices()
			w.startRunner()
			jobs := w.runPipeline(".gitlab-ci.yml", notes(t, e.pipeline))
			services := seen()

			if len(jobs) != 2 {
				t.Fatalf("the pipeline has %d jobs, want 2", len(jobs))
			}
			build, upload := string(w.gitlab.Trace(jobs[0].ID)), string(w.gitlab.Trace(jobs[1].ID))
			wantSuccess(t, jobs[0], build, e.mode, "$ docker images", "REPOSITORY", " Server Version: ")
			wantSuccess(t, jobs[1], upload, e.mode, "rmi HARBOR_HOST/lced/PROJECT_NAME:0.1.0-0-dev-arm64\n")
			if !e.sidecar {
				if len(services) != 0 {
					t.Errorf("services were started: %v", services)
				}
				wantTexts(t, build, "\n Name: "+w.hostName()+"\n")
				return
			}
			for _, j := range jobs {
				s := sidecarOf(t, services, j.ID)
				log := s.log.String()
				if !strings.HasSuffix(s.name, "-docker-0") || !s.privileged {
					t.Errorf("the service is called %s, privileged %t", s.name, s.privileged)
				}
				if strings.Contains(log, "Certificate request") || strings.Contains(log, "Generating RSA") {
					t.Errorf("the sidecar has made certificates:\n%s", log)
				}
				if verified := strings.Contains(log, "/certs/server/cert.pem: OK"); verified != (e.name == "2") {
					t.Errorf("the sidecar verified a certificate: %t\n%s", verified, log)
				}
			}
			wantTexts(t, build, "\n Name: "+sidecarOf(t, services, jobs[0].ID).host()+"\n")
		})
	}
}

// TestNotesWithoutDocker runs an ordinary job with each configuration of test/notes: most jobs of a board need no docker.
func TestNotesWithoutDocker(t *testing.T) {
	t.Parallel()
	for _, config := range []string{"config-1.toml", "config-2.toml", "config-3.toml"} {
		t.Run(config, func(t *testing.T) {
			t.Parallel()
			w := prepareWorld(t, nil)
			w.writeConfig(w.notesConfig(config))
			w.startRunner()
			spec := job("cat README")
			spec.Job.Tags = []string{"lced"}
			j, log := w.run(spec)
			wantSuccess(t, j, log, "a file of the repository\n")
		})
	}
}

// notes reads a file of test/notes.
func notes(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "notes", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// runPipeline submits a pipeline and waits for the end of its jobs, in the order of stages.
func (w *world) runPipeline(name, text string) []coordinator.Job {
	w.t.Helper()
	pipeline, err := ciyaml.Parse([]byte(text), name)
	if err != nil {
		w.t.Fatal(err)
	}
	id, err := w.gitlab.Submit(w.t.Context(), coordinator.Submission{Pipeline: pipeline, Repository: w.repo})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.awaitPipeline(id)
}

// awaitPipeline waits for the end of a pipeline and returns its jobs, in the order of stages.
func (w *world) awaitPipeline(id int64) []coordinator.Job {
	w.t.Helper()
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), patience, errors.New("the test lost patience"))
	defer cancel()
	if _, err := w.gitlab.Wait(ctx, id); err != nil {
		w.t.Fatalf("waiting for the pipeline: %v\nlog of the runner:\n%s", err, w.log)
	}
	return w.gitlab.Jobs(id)
}
