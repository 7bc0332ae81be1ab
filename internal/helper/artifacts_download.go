package helper

import (
	"context"
	"fmt"
	"os"

	"lced-runner/internal/archive"
	"lced-runner/jobapi"
)

// Download belongs to [StageDownload].
type Download struct {
	GitLab GitLab `json:"gitlab"`
	// Jobs are downloaded in this order; what a later one has wins.
	Jobs []Dependency `json:"jobs"`
	// Direct lets the server send us to its object storage (FF_USE_DIRECT_DOWNLOAD).
	Direct bool `json:"direct"`
	// Attempts is ARTIFACT_DOWNLOAD_ATTEMPTS, 1 to 10.
	Attempts int `json:"attempts"`
}

// Dependency is an earlier job with artifacts.
type Dependency struct {
	ID    int64         `json:"id"`
	Name  string        `json:"name"`
	Token jobapi.Secret `json:"token"`
	Size  int64         `json:"size"` // of its archive, in bytes
}

// download is the stage download_artifacts.
func (s artifacts) download(ctx context.Context) error {
	return s.attempts(ctx, s.Download.Attempts, "WARNING: Downloading artifacts failed", func(int) error { return s.downloadAll(ctx) })
}

func (s artifacts) downloadAll(ctx context.Context) error {
	for _, job := range s.Download.Jobs {
		notice(s.out, "Downloading artifacts for %s (%d)...", job.Name, job.ID)
		if err := s.downloadOne(ctx, job); err != nil {
			return fmt.Errorf("artifacts of job %s (%d): %w", job.Name, job.ID, err)
		}
	}
	return nil
}

func (s artifacts) downloadOne(ctx context.Context, job Dependency) error {
	// Beside the project, where there is room if there is room for its files. A file without a name is gone whatever happens.
	file, err := os.CreateTemp(s.TempDir, "artifacts-*.zip")
	if err != nil {
		return fmt.Errorf("create a file for the archive: %w", err)
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return fmt.Errorf("unlink the file for the archive: %w", err)
	}
	into := &received{file: file, progress: progress{log: s.out, text: "Received %s of " + byteCount(job.Size) + "..."}}
	err = s.client.DownloadArtifact(ctx, job.ID, job.Token, jobapi.Download{Into: into, Direct: s.Download.Direct, Retry: s.retrying})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "Downloading artifacts from coordinator... ok id=%d responseStatus=200 OK token=%s\n", job.ID, jobapi.ShortToken(job.Token.Reveal()))
	return archive.Extract(ctx, file, s.ProjectDir)
}

// received is a file that tells how it grows.
type received struct {
	file     *os.File
	progress progress
}

func (r *received) Write(p []byte) (int, error) {
	r.progress.Write(p)
	return r.file.Write(p)
}

func (r *received) Seek(offset int64, whence int) (int64, error) { return r.file.Seek(offset, whence) }

func (r *received) Truncate(size int64) error {
	r.progress.done = size
	return r.file.Truncate(size)
}
