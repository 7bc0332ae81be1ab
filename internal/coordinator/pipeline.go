package coordinator

import (
	"context"
	"fmt"
	"time"

	"lced-runner/internal/ciyaml"
)

// Variable is a variable as the job payload carries it.
type Variable struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Public bool   `json:"public"`
	Masked bool   `json:"masked"`
	File   bool   `json:"file,omitempty"`
	Raw    bool   `json:"raw,omitempty"`
}

// Submission is a pipeline to run.
type Submission struct {
	Pipeline   *ciyaml.Pipeline
	Repository Repository
	// Variables are the project's: they override those of the pipeline file, as in GitLab.
	Variables []Variable
	// Patch, if set, may change a job's payload, as decoded JSON with json.Number, just before it is handed out. It runs
	// with the server locked.
	Patch func(job string, payload map[string]any)
}

// pipeline is a submission that runs, guarded by the board's mutex.
type pipeline struct {
	id       int64
	created  time.Time
	source   Submission
	commit   commit
	objects  string // sha1 or sha256
	project  *project
	caches   map[string][]cachePayload // by job
	byStages []*job                    // in the order of stages, then of the file
}

// Submit makes a pipeline and its jobs and returns the pipeline's id. It creates refs/pipelines/<id> in the repository.
// Errors come from git and say what it was asked.
func (s *Server) Submit(ctx context.Context, submission Submission) (int64, error) {
	facts, err := readRepository(ctx, submission.Repository)
	if err != nil {
		return 0, err
	}
	caches, err := cachePayloads(ctx, submission, facts.commit.sha)
	if err != nil {
		return 0, err
	}
	b := s.board
	b.mu.Lock()
	b.lastPipeline++
	id := b.lastPipeline
	b.mu.Unlock()
	if submission.Repository.Dir != "" {
		ref := fmt.Sprintf("refs/pipelines/%d", id)
		if _, err := git(ctx, submission.Repository.Dir, "update-ref", ref, facts.commit.sha); err != nil {
			return 0, fmt.Errorf("creating %s: %w", ref, err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &pipeline{id: id, created: time.Now(), source: submission, commit: facts.commit, objects: facts.objects, caches: caches}
	p.project = b.addProject(submission.Repository)
	for _, stage := range submission.Pipeline.Stages {
		for _, spec := range submission.Pipeline.Jobs {
			if spec.Stage == stage && spec.When != "never" {
				p.byStages = append(p.byStages, b.addJob(p, spec))
			}
		}
	}
	b.pipelines[id] = p
	b.advance(p)
	return id, nil
}

// JobSpec is a single job to run, for tests.
type JobSpec struct {
	Job        ciyaml.Job // Name, Stage and When have defaults
	Repository Repository // without Dir the job gets GIT_STRATEGY=none
	Variables  []Variable
	Patch      func(payload map[string]any) // as in Submission
}

// Enqueue submits a pipeline of one job and returns the job's id.
func (s *Server) Enqueue(ctx context.Context, spec JobSpec) (int64, error) {
	if spec.Job.Name == "" {
		spec.Job.Name = "job"
	}
	if spec.Job.Stage == "" {
		spec.Job.Stage = "test"
	}
	if spec.Job.When == "" {
		spec.Job.When = "on_success"
	}
	submission := Submission{
		Pipeline:   &ciyaml.Pipeline{Stages: []string{spec.Job.Stage}, Jobs: []ciyaml.Job{spec.Job}},
		Repository: spec.Repository,
		Variables:  spec.Variables,
	}
	if spec.Patch != nil {
		submission.Patch = func(_ string, payload map[string]any) { spec.Patch(payload) }
	}
	id, err := s.Submit(ctx, submission)
	if err != nil {
		return 0, err
	}
	return s.Jobs(id)[0].ID, nil
}
