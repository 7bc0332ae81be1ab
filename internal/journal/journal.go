// Package journal keeps what has to survive the runner's process: one file for each job that GitLab believes to run here.
//
// A record is written, durably, before anything is created for the job, and removed when GitLab has taken the job's ending.
// While the job runs, changes are appended to it, without waiting for the disk: they are for a process that dies, and after a
// power cut no job goes on. The job's end replaces all by its ending, so secrets are gone with it. Whatever is left at the
// next start is a job that still has to be gone on with, or reported. The package stores and lists; what a left record means
// is decided by package runner.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/plan"
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
	Final          *Final        `json:"final,omitempty"` // set when the job has ended and GitLab does not know it yet

	*Running // nil when the job has ended
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
const Format = 1

// Change is what is appended while a job runs. Each value takes the place of an earlier one, but for masks, which add up.
type Change struct {
	Compiled *plan.Compiled  `json:"compiled,omitempty"`
	State    *executor.State `json:"state,omitempty"`
	Masks    []string        `json:"masks,omitempty"`    // that the job has added itself
	Standby  string          `json:"standby,omitempty"`  // id of the container that may have reported the job
	Ended    bool            `json:"ended,omitempty"`    // the runner was told to end it: nobody may go on with it
	Final    *Final          `json:"ended_as,omitempty"` // instead of a new record, for which there was no room
}

// Final is how a job ended.
type Final struct {
	State         jobapi.State `json:"state"`
	FailureReason string       `json:"failure_reason,omitempty"`
	ExitCode      int          `json:"exit_code,omitempty"`
}

// Journal is a directory of records.
type Journal struct{ dir string }

// Open makes the directory, 0700, if it does not exist.
func Open(dir string) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the journal's directory: %w", err)
	}
	return &Journal{dir: dir}, nil
}

// Room reports whether the disk of the journal has that many bytes left. It only asks the file system, since a board
// asks every few seconds and its flash wears by writing.
func (j *Journal) Room(bytes uint64) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(j.dir, &disk); err != nil {
		return fmt.Errorf("look for free space in the journal's directory %s: %w", j.dir, err)
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < bytes {
		return fmt.Errorf("the disk of %s has only %d MiB left, too little to keep a job and its log: free some space, or set state_dir in [lced]", j.dir, free>>20)
	}
	return nil
}

const suffix = ".json"

// Name is that of a job's files, without a suffix. Two GitLabs of one configuration may both have a job of this number.
func Name(url string, jobID int64) string {
	return fmt.Sprintf("job-%d-%08x", jobID, crc32.ChecksumIEEE([]byte(url)))
}

func (j *Journal) path(e Entry) string { return filepath.Join(j.dir, Name(e.URL, e.JobID)+suffix) }

// Put writes a record. When it returns without an error the record survives a power cut: it is written beside the old one,
// synced, and renamed, and the directory is synced. A disk that becomes full meanwhile has room for the changes to the record and,
// if it is known, its ending.
func (j *Journal) Put(e Entry) error {
	text, err := json.Marshal(e)
	if err == nil {
		err = replace(j.path(e), text, e.Running != nil)
	}
	if errors.Is(err, syscall.ENOSPC) && e.Final != nil {
		err = add(j.path(e), Change{Final: e.Final}, true)
	}
	if err != nil {
		return fmt.Errorf("write job %d into the journal: %w", e.JobID, err)
	}
	return nil
}

func replace(path string, text []byte, changes bool) error {
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && changes {
		err = reserve(f, int64(len(text)))
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Append adds a change to a job's record. It survives the process, but perhaps no power cut.
func (j *Journal) Append(e Entry, c Change) error {
	if err := add(j.path(e), c, false); err != nil {
		return fmt.Errorf("add to job %d in the journal: %w", e.JobID, err)
	}
	return nil
}

func add(path string, c Change, synced bool) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	// The newline comes first: half a line of an earlier attempt spoils no other one.
	_, err = f.Write(append([]byte("\n"), text...))
	if err == nil && synced {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// parse reads a record and the changes to it. A change that is not whole was being written when the process died.
func parse(text []byte) (Entry, error) {
	first, changes, _ := bytes.Cut(text, []byte("\n"))
	var e Entry
	if err := json.Unmarshal(first, &e); err != nil {
		return e, err
	}
	if e.JobID == 0 {
		return e, errors.New("it names no job")
	}
	if e.Running == nil {
		return e, nil
	}
	for line := range bytes.SplitSeq(changes, []byte("\n")) {
		var c Change
		if json.Unmarshal(line, &c) != nil {
			continue
		}
		if c.Final != nil {
			e.Final, e.Running = c.Final, nil
			return e, nil
		}
		if c.Compiled != nil {
			e.Compiled = c.Compiled
		}
		if c.State != nil {
			e.State = c.State
		}
		e.Masks = append(e.Masks, c.Masks...)
		if c.Standby != "" {
			e.Standby = c.Standby
		}
		e.Ended = e.Ended || c.Ended
	}
	return e, nil
}

// Remove forgets a job whose ending GitLab has taken. A record that comes back after a power cut does no harm: GitLab
// refuses a second ending.
func (j *Journal) Remove(e Entry) error {
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
		if n, _ := fmt.Sscanf(f.Name(), "job-%d-", &id); n == 1 {
			jobs[id] = true
		}
	}
	return jobs, nil
}

// Left lists the records. One that cannot be read is an error beside the others, and is moved out of the way: it was
// cut by a failing disk, since Put never leaves half a record.
func (j *Journal) Left() ([]Entry, error) {
	files, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	var entries []Entry
	var errs []error
	for _, f := range files {
		path := filepath.Join(j.dir, f.Name())
		if !strings.HasPrefix(f.Name(), "job-") || !strings.HasSuffix(f.Name(), suffix) {
			continue
		}
		text, err := os.ReadFile(path)
		var e Entry
		if err == nil {
			e, err = parse(text)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read the journal's record %s: %w", path, err), os.Rename(path, path+".broken"))
			continue
		}
		entries = append(entries, e)
	}
	return entries, errors.Join(errs...)
}
