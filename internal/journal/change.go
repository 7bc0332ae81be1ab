package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"lced-runner/executor"
	"lced-runner/internal/plan"
)

// Change is what is appended while a job runs. Each value takes the place of an earlier one, but for masks, which add up.
type Change struct {
	Compiled *plan.Compiled  `json:"compiled,omitempty"`
	State    *executor.State `json:"state,omitempty"`
	Masks    []string        `json:"masks,omitempty"`   // that the job has added itself
	Standby  string          `json:"standby,omitempty"` // id of the container that may have reported the job
	Ended    bool            `json:"ended,omitempty"`   // the runner was told to end it: nobody may go on with it
	Ending   *Final          `json:"ending,omitempty"`  // where a full disk does not take a record of it
}

// take adds a later change.
func (c *Change) take(later Change) {
	if later.Compiled != nil {
		c.Compiled = later.Compiled
	}
	if later.State != nil {
		c.State = later.State
	}
	c.Masks = append(c.Masks, later.Masks...)
	if later.Standby != "" {
		c.Standby = later.Standby
	}
	c.Ended = c.Ended || later.Ended
	if later.Ending != nil {
		c.Ending = later.Ending
	}
}

// The first byte of a record. White space means nothing to JSON.
const (
	whole  = ' '
	behind = '!' // changes are missing at its end
)

// roomFor is how much is reserved for the changes to a record: a plan, which holds the scripts and for each the variables,
// and some states.
func roomFor(record []byte) int64 { return 128<<10 + 8*int64(len(record)) }

// Append adds a change to a job's record. It survives the process, but perhaps no power cut. What cannot be written, as on a
// full disk, is written together with the next change. Until then the record says that it is behind, for which it needs no
// room: a process that believed an old state would run a script twice.
func (j *Journal) Append(e Entry, c Change) error {
	d := j.lock(e)
	defer d.mu.Unlock()
	d.take(c)
	err := add(j.path(e), d.Change, d.late)
	if d.late = err != nil; err == nil {
		d.Change = Change{}
	}
	if errors.Is(err, fs.ErrNotExist) { // the job has ended meanwhile
		j.settle(e)
	}
	if err != nil {
		return fmt.Errorf("add to job %d in the journal: %w", e.JobID, err)
	}
	return nil
}

// debt is what could not be appended to a record.
type debt struct {
	mu sync.Mutex // held while the record is written: one at a time, and each by itself, since a disk may take long to sync
	Change
	late bool // there is something
}

// lock returns the debt of a record, locked.
func (j *Journal) lock(e Entry) *debt {
	j.mu.Lock()
	d := j.debts[j.path(e)]
	if d == nil {
		d = &debt{}
		j.debts[j.path(e)] = d
	}
	j.mu.Unlock()
	d.mu.Lock()
	return d
}

// settle forgets the debt of a record that is gone.
func (j *Journal) settle(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.debts, j.path(e))
}

// add appends a change to a record, which is marked as behind if late says so.
func add(path string, c Change, late bool) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	// The newline comes first: half a line that a killed process left spoils no other one.
	if _, err := f.Write(append([]byte{'\n'}, text...)); err != nil {
		_, second := f.WriteAt([]byte{behind}, 0)
		return errors.Join(err, f.Truncate(end), second)
	}
	if late {
		_, err = f.WriteAt([]byte{whole}, 0)
	}
	if err == nil && c.Ending != nil {
		err = f.Sync()
	}
	return err
}
