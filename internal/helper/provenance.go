package helper

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"lced-runner/internal/archive"
)

// Provenance says where a job's artifacts come from, for the statement that is added to its archive
// (RUNNER_GENERATE_ARTIFACTS_METADATA).
type Provenance struct {
	Builder      string    `json:"builder"` // address of the runner in GitLab
	Version      string    `json:"version"` // of this program
	Source       string    `json:"source"`  // address of the project
	Commit       string    `json:"commit"`
	EntryPoint   string    `json:"entry_point"` // name of the job
	Runner       string    `json:"runner"`      // its name
	Architecture string    `json:"architecture"`
	Parameters   []string  `json:"parameters"` // names of the job's variables
	Started      time.Time `json:"started"`
}

// provenanceFormat describes the parameters of a statement; they are gitlab-runner's.
const provenanceFormat = "https://gitlab.com/gitlab-org/gitlab-runner/-/blob/main/PROVENANCE.md"

type (
	// object is a part of the statement whose names in JSON say all.
	object map[string]any

	// subject is one file that the statement is about.
	subject struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	}
)

// statement is the SLSA provenance, version 1, of files.
func (p *Provenance) statement(job int64, subjects []subject, finished time.Time) object {
	parameters := object{"entryPoint": p.EntryPoint, "source": p.Source}
	for _, name := range p.Parameters {
		parameters[name] = ""
	}
	id := fmt.Sprint(job)
	return object{
		"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v1", "subject": subjects,
		"predicate": object{
			"buildDefinition": object{
				"buildType": provenanceFormat, "externalParameters": parameters,
				"internalParameters":   object{"architecture": p.Architecture, "executor": "docker", "job": id, "name": p.Runner},
				"resolvedDependencies": []object{{"uri": p.Source, "digest": object{"sha256": p.Commit}}},
			},
			"runDetails": object{
				"builder":    object{"id": p.Builder, "version": object{"lced-runner": p.Version}},
				"metadata":   object{"invocationId": id, "startedOn": p.Started.UTC().Format(time.RFC3339), "finishedOn": finished.UTC().Format(time.RFC3339)},
				"byproducts": []object{},
			},
		},
	}
}

// addProvenance writes the statement about the files of an archive into the project's directory, and adds it to them.
func (s artifacts) addProvenance(ctx context.Context, name string, files archive.Files) (archive.Files, error) {
	name += "-metadata.json"
	files = slices.DeleteFunc(files, func(f archive.File) bool { return f.Name == name })
	subjects := []subject{}
	err := archive.Digest(ctx, s.ProjectDir, files, func(file string, digest []byte) {
		subjects = append(subjects, subject{file, map[string]string{"sha256": hex.EncodeToString(digest)}})
	})
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(s.Upload.Provenance.statement(s.Upload.JobID, subjects, time.Now()), "", " ")
	if err != nil {
		return nil, err
	}
	info, err := s.place(name, text)
	if err != nil {
		return nil, err
	}
	notice(s.out, "Generating provenance metadata %s...", name)
	files = append(files, archive.File{Name: name, Mode: info.Mode(), Size: info.Size(), ModTime: info.ModTime()})
	slices.SortFunc(files, func(a, b archive.File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// place puts a file into the project's directory, in place of whatever has its name there.
func (s artifacts) place(name string, content []byte) (os.FileInfo, error) {
	root, err := os.OpenRoot(s.ProjectDir)
	if err != nil {
		return nil, fmt.Errorf("open the project's directory: %w", err)
	}
	defer root.Close()
	if err := root.RemoveAll(name); err != nil {
		return nil, fmt.Errorf("replace %s: %w", name, err)
	}
	if err := root.WriteFile(name, content, 0o644); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return root.Lstat(name)
}
