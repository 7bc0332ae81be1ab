package coordinator

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

const (
	typeArchive = "archive"
	typeDotenv  = "dotenv"
	formatZip   = "zip"
	formatGzip  = "gzip"
)

// Artifact is a file that a job uploaded.
type Artifact struct {
	Type     string // archive, junit, dotenv and others
	Format   string // zip, gzip or raw
	Filename string
	ExpireIn string
	Size     int64 // bytes
}

// artifact is an Artifact with its content, in a file without a name that is gone with the process.
type artifact struct {
	Artifact
	file   *os.File
	sha256 string
}

// Artifacts are what jobs have uploaded, for those who look at it from outside.
type Artifacts struct{ board *board }

// ArtifactsOf shows the artifacts of all jobs of a server.
func ArtifactsOf(s *Server) Artifacts { return Artifacts{s.board} }

// List names what a job has uploaded, in the order of arrival.
func (s Artifacts) List(job int64) []Artifact {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	var out []Artifact
	if j, ok := s.board.jobs[job]; ok {
		for _, stored := range j.artifacts {
			out = append(out, stored.Artifact)
		}
	}
	return out
}

// Open gives the content of a job's artifact of a type.
func (s Artifacts) Open(job int64, kind string) (*io.SectionReader, error) {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	if j, ok := s.board.jobs[job]; ok {
		if stored := j.artifact(kind); stored != nil {
			return stored.content(), nil
		}
	}
	return nil, fmt.Errorf("open artifact: job %d has none of type %s", job, kind)
}

// Put gives a job an archive that no runner made, in place of any that it has.
func (s Artifacts) Put(job int64, archive []byte) error {
	stored, err := storeArtifact(bytes.NewReader(archive), 0)
	if err != nil {
		return err
	}
	stored.Artifact.Type, stored.Format, stored.Filename = typeArchive, formatZip, "artifacts.zip"
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	j, ok := s.board.jobs[job]
	if !ok {
		return fmt.Errorf("put artifact: there is no job %d", job)
	}
	j.artifacts = slices.DeleteFunc(j.artifacts, func(a *artifact) bool { return a.Type == typeArchive })
	j.artifacts = append(j.artifacts, stored)
	return nil
}

// artifact is the stored one of a type, nil for none.
func (j *job) artifact(kind string) *artifact {
	for _, a := range j.artifacts {
		if a.Type == kind {
			return a
		}
	}
	return nil
}

func (a *artifact) content() *io.SectionReader { return io.NewSectionReader(a.file, 0, a.Size) }

var errTooLarge = errors.New("the artifact is larger than the server allows")

// storeArtifact keeps the bytes of an artifact. limit is in bytes, 0 for none.
func storeArtifact(content io.Reader, limit int64) (*artifact, error) {
	file, err := os.CreateTemp("", "lced-artifact-")
	if err != nil {
		return nil, fmt.Errorf("store artifact: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, fmt.Errorf("store artifact: %w", err)
	}
	if limit > 0 {
		content = io.LimitReader(content, limit+1)
	}
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(file, sum), content)
	if err == nil && limit > 0 && size > limit {
		err = errTooLarge
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("store artifact: %w", err)
	}
	return &artifact{Artifact: Artifact{Size: size}, file: file, sha256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// dependencies are the jobs whose artifacts a job gets, in the order of the pipeline.
func (j *job) dependencies() []*job {
	var out []*job
	for _, other := range j.pipeline.byStages {
		var wanted bool
		switch {
		case j.spec.Dependencies != nil:
			wanted = slices.Contains(j.spec.Dependencies, other.Name)
		case j.spec.Needs != nil:
			for _, need := range j.spec.Needs {
				wanted = wanted || need.Job == other.Name && need.Artifacts
			}
		default:
			wanted = j.pipeline.stage(other) < j.pipeline.stage(j)
		}
		if wanted && other.Ended() {
			out = append(out, other)
		}
	}
	return out
}

// stage is the position of a job's stage.
func (p *pipeline) stage(j *job) int { return slices.Index(p.source.Pipeline.Stages, j.Stage) }

// artifactPayloads are the entries of a job's payload: one for the archive and one for each report.
func artifactPayloads(j *job) []map[string]any {
	spec := j.spec.Artifacts
	if spec == nil {
		return nil
	}
	var out []map[string]any
	if len(spec.Paths) > 0 || spec.Untracked {
		when := spec.When
		if when == "" {
			when = "on_success"
		}
		out = append(out, map[string]any{
			"name": orNull(spec.Name), "untracked": spec.Untracked, "paths": spec.Paths, "exclude": spec.Exclude, "when": when,
			"artifact_type": typeArchive, "artifact_format": formatZip, "expire_in": orNull(spec.ExpireIn),
		})
	}
	for _, report := range spec.Reports {
		out = append(out, map[string]any{
			"name": reportName(report.Type), "paths": report.Paths, "when": "always",
			"artifact_type": report.Type, "artifact_format": report.Format, "expire_in": orNull(spec.ExpireIn),
		})
	}
	return out
}

// wantedArtifacts are type, format and lifetime of what a payload asks for.
func wantedArtifacts(payload map[string]any) []Artifact {
	entries, _ := payload["artifacts"].([]any)
	var out []Artifact
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		a := Artifact{}
		a.Type, _ = fields["artifact_type"].(string)
		a.Format, _ = fields["artifact_format"].(string)
		a.ExpireIn, _ = fields["expire_in"].(string)
		out = append(out, a)
	}
	return out
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// reportName is the name that GitLab gives a report.
func reportName(kind string) string {
	switch kind {
	case "junit":
		return "junit.xml"
	case typeDotenv:
		return ".env"
	case "cobertura":
		return "cobertura-coverage.xml"
	case "jacoco":
		return "jacoco-coverage.xml"
	case "metrics":
		return "metrics.txt"
	case "cyclonedx":
		return "gl-sbom.cdx.json"
	case "terraform":
		return "tfplan.json"
	}
	return "gl-" + kind + "-report.json"
}

// dependencyPayloads say where a job gets the artifacts of earlier ones.
func dependencyPayloads(j *job) []map[string]any {
	out := []map[string]any{}
	for _, other := range j.dependencies() {
		entry := map[string]any{"id": other.ID, "name": other.Name, "token": other.Token}
		if archive := other.artifact(typeArchive); archive != nil {
			entry["artifacts_file"] = map[string]any{"filename": archive.Filename, "size": archive.Size}
		}
		out = append(out, entry)
	}
	return out
}

// dotenvVariables are those that earlier jobs hand on in reports.
func dotenvVariables(j *job) []Variable {
	var out []Variable
	for _, other := range j.dependencies() {
		for _, v := range other.dotenv {
			if i := slices.IndexFunc(out, func(known Variable) bool { return known.Key == v.Key }); i >= 0 {
				out[i] = v
				continue
			}
			out = append(out, v)
		}
	}
	return out
}
