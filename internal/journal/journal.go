// Package journal keeps what has to survive the runner's process: one file for each job that GitLab believes to run here.
//
// A record is written, durably, before anything is created for the job, and removed when GitLab has taken the job's ending.
// While the job runs, changes are appended to it, without waiting for the disk: they are for a process that dies, and after a
// power cut no job goes on. The job's end replaces all by its ending, so secrets are gone with it,
// unless the disk is full: then the ending is appended. Whatever is left at the
// next start is a job that still has to be gone on with, or reported. The package stores and lists; what a left record means
// is decided by package runner.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/durable"
	"lced-runner/jobapi"
)

// Entry is what is known of one job.
type Entry struct {
	JobID          int64         `json:"job_id"`
	Token          jobapi.Secret `json:"token"`  // the job's; it dies with the job
	URL            string        `json:"url"`    // of its GitLab
	Runner         string        `json:"runner"` // short token of the runner that took it
	Received       time.Time     `json:"received"`
	Spool          string        `json:"spool"` // file of the log
	Sections       bool          `json:"sections"`
	OutputLimit    int64         `json:"output_limit"` // bytes
	FailureReasons []string      `json:"failure_reasons,omitempty"`
	Debug          bool          `json:"debug,omitempty"` // GitLab restricts who may see the log
	Final          *Final        `json:"final,omitempty"` // set when the job has ended and GitLab does not know it yet

	*Running // nil when the job has ended

	// Behind says that the record's last changes could not be written: how far the job has come is not known.
	Behind bool `json:"-"`
}

// Running is what another process needs to go on with a job that has not ended.
type Running struct {
	Format      int             `json:"format"`         // see [Format]
	Boot        string          `json:"boot,omitempty"` // of the machine, as the kernel names it
	Begun       executor.Moment `json:"begun"`          // its timeout counts from here
	Slot        int             `json:"slot"`
	ProjectSlot int             `json:"project_slot"`
	Job         *jobapi.Job     `json:"job"`

	Change
}

// Format is the number of the form that a Running has. A process does not go on with a job of another one.
const Format = 2

// Final is how a job ended.
type Final struct {
	State         jobapi.State `json:"state"`
	FailureReason string       `json:"failure_reason,omitempty"`
	ExitCode      int          `json:"exit_code,omitempty"`
}

// Journal is a directory of records.
type Journal struct {
	dir string

	mu    sync.Mutex
	debts map[string]*debt // by path

	doubted atomic.Bool // the last record of a new job could not be written
}

// Open makes the directory, 0700, if it does not exist.
func Open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the journal's directory: %w", err)
	}
	return &Journal{dir: dir, debts: map[string]*debt{}}, nil
}

const suffix = ".json"

// Name is that of a job's files, without a suffix. Two GitLabs of one configuration may both have a job of this number.
func Name(url string, jobID int64) string {
	return fmt.Sprintf("job-%d-%08x", jobID, crc32.ChecksumIEEE([]byte(url)))
}

func (j *Journal) path(e Entry) string { return filepath.Join(j.dir, Name(e.URL, e.JobID)+suffix) }

// Put writes a record, with room for its changes if the job has not ended. When it returns without an error the record
// survives a power cut. An ending for which the disk has no room is added to the record that is there.
func (j *Journal) Put(e Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write job %d into the journal: %w", e.JobID, err)
	}
	var more int64
	if e.Running != nil {
		more = roomFor(text)
	}
	d := j.lock(e)
	defer d.mu.Unlock()
	err = durable.Replace(j.path(e), append([]byte{whole}, text...), more)
	if e.Running != nil {
		j.doubted.Store(err != nil)
	}
	if err != nil && e.Final != nil && add(j.path(e), Change{Ending: e.Final}, false) == nil {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("write job %d into the journal: %w", e.JobID, err)
	}
	d.Change, d.late = Change{}, false
	return nil
}

// Remove forgets a job whose ending GitLab has taken. A record that comes back after a power cut does no harm: GitLab
// refuses a second ending.
func (j *Journal) Remove(e Entry) error {
	defer j.lock(e).mu.Unlock()
	defer j.settle(e)
	if err := os.Remove(j.path(e)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove job %d from the journal: %w", e.JobID, err)
	}
	return nil
}

// Jobs are the numbers of all jobs that have a record.
func (j *Journal) Jobs() (map[int64]bool, error) {
	files, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	jobs := map[int64]bool{}
	for _, f := range files {
		var id int64
		if n, _ := fmt.Sscanf(f.Name(), "job-%d-", &id); n == 1 && strings.HasSuffix(f.Name(), suffix) {
			jobs[id] = true
		}
	}
	return jobs, nil
}
