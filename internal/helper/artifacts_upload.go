package helper

import (
	"context"
	"fmt"
	"io"
	"path"

	"lced-runner/internal/archive"
	"lced-runner/jobapi"
)

// Upload belongs to [StageUploadOnSuccess] and [StageUploadOnFailure].
type Upload struct {
	GitLab GitLab        `json:"gitlab"`
	JobID  int64         `json:"job_id"`
	Token  jobapi.Secret `json:"token"`
	// Artifacts are uploaded in this order; the first failure ends the stage.
	Artifacts []Artifact `json:"artifacts"`
	// CompressionLevel is ARTIFACT_COMPRESSION_LEVEL.
	CompressionLevel string `json:"compression_level,omitempty"`
	// Provenance, if set, is told in a file that is added to each zip archive.
	Provenance *Provenance `json:"provenance,omitempty"`
}

// Artifact is one archive or report. Its name and globs are as the job has them: variables are expanded here, with those that
// the job's scripts have left.
type Artifact struct {
	Name      string   `json:"name,omitempty"`
	Untracked bool     `json:"untracked,omitempty"`
	Paths     []string `json:"paths,omitempty"`
	Exclude   []string `json:"exclude,omitempty"`
	Type      string   `json:"type"`
	Format    string   `json:"format"` // zip, gzip or raw
	ExpireIn  string   `json:"expire_in,omitempty"`
}

// upload is the stage upload_artifacts_on_success or upload_artifacts_on_failure.
func (s artifacts) upload(ctx context.Context) error {
	level, err := archive.ParseLevel(s.Upload.CompressionLevel)
	if err != nil {
		warning(s.out, "WARNING: ARTIFACT_COMPRESSION_LEVEL: %v", err)
	}
	for _, a := range s.Upload.Artifacts {
		if err := s.uploadOne(ctx, a, level); err != nil {
			return fmt.Errorf("artifacts of type %q: %w", a.Type, err)
		}
	}
	return nil
}

// uploadOne sends one artifact. The archive is made while it is sent, for each attempt anew, and lies nowhere: a file
// of its own would double what the artifact takes on the flash of a small board, and wear it. From the same files the
// writers make the same bytes, so an upload that is repeated is the same file; and the server, which is asked before
// the first byte, refuses before anything is compressed.
func (s artifacts) uploadOne(ctx context.Context, a Artifact, level archive.Level) error {
	notice(s.out, "Uploading artifacts...")
	files, err := s.choose(ctx, a)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		warning(s.out, "No files to upload")
		return nil
	}
	if s.Upload.Provenance != nil && a.Format == "zip" {
		if files, err = s.addProvenance(ctx, s.fileName(a), files); err != nil {
			return fmt.Errorf("provenance: %w", err)
		}
	}
	u := jobapi.Upload{Format: a.Format, Type: a.Type, ExpireIn: a.ExpireIn, Retry: s.retrying}
	var write func(io.Writer) error
	switch a.Format {
	case "zip":
		u.Name = s.fileName(a) + ".zip"
		write = func(w io.Writer) error { return archive.WriteZip(ctx, w, s.ProjectDir, files, level) }
	case "gzip":
		u.Name = s.fileName(a) + ".gz"
		write = func(w io.Writer) error { return archive.WriteGzip(ctx, w, s.ProjectDir, files, level) }
	case "raw":
		u.Name = s.fileName(a)
		write = func(w io.Writer) error { return archive.WriteRaw(ctx, w, s.ProjectDir, files) }
	default:
		return fmt.Errorf("their format %q is not one of zip, gzip and raw", a.Format)
	}
	u.Write = func(w io.Writer) error {
		return write(io.MultiWriter(w, &progress{log: s.out, text: "Sent %s..."}))
	}
	if err := s.client.UploadArtifact(ctx, s.Upload.JobID, s.Upload.Token, u); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "Uploading artifacts as %q to coordinator... 201 Created id=%d responseStatus=201 Created token=%s\n",
		a.Type, s.Upload.JobID, jobapi.ShortToken(s.Upload.Token.Reveal()))
	return nil
}

// choose finds the files of an artifact.
func (s artifacts) choose(ctx context.Context, a Artifact) (archive.Files, error) {
	selection := archive.Selection{Dir: s.ProjectDir, Paths: s.env.expandAll(a.Paths), Exclude: s.env.expandAll(a.Exclude)}
	if a.Untracked {
		var err error
		if selection.UntrackedFiles, err = s.untracked(ctx); err != nil {
			warning(s.out, "WARNING: untracked: %v", err)
		}
		selection.Untracked = err == nil
	}
	files, notes, err := archive.Select(ctx, selection)
	tell(s.out, notes)
	return files, err
}

// fileName is an artifact's name without its ending (job-api contract 7.2).
func (s artifacts) fileName(a Artifact) string {
	if a.Name == "" {
		return "artifacts"
	}
	name := path.Base(s.env.expand(a.Name))
	if name == "." || name == ".." || name == "/" {
		return "default"
	}
	return name
}
