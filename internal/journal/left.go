package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lced-runner/internal/durable"
)

// Left lists the records that an earlier process left. One that cannot be read is an error beside the others, and is moved out
// of the way: it was cut by a failing disk, since Put never leaves half a record. What a killed Put left beside is removed.
func (j *Journal) Left() ([]Entry, error) {
	files, err := os.ReadDir(j.dir)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	var entries []Entry
	var errs []error
	for _, f := range files {
		path := filepath.Join(j.dir, f.Name())
		switch {
		case !strings.HasPrefix(f.Name(), "job-"):
			continue
		case strings.HasSuffix(f.Name(), suffix+durable.Beside):
			errs = append(errs, os.Remove(path))
			continue
		case !strings.HasSuffix(f.Name(), suffix):
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

// parse reads a record and the changes to it. A change that is not whole was being written when the process died.
func parse(text []byte) (Entry, error) {
	text, late := bytes.CutPrefix(text, []byte{behind})
	first, changes, _ := bytes.Cut(text, []byte("\n"))
	e := Entry{Behind: late}
	if err := json.Unmarshal(first, &e); err != nil {
		return e, err
	}
	if e.JobID == 0 {
		return e, errors.New("it names no job")
	}
	if e.Running == nil {
		return e, nil
	}
	changes = bytes.TrimRight(changes, "\x00") // a power cut may leave zeros in place of data
	for line := range bytes.SplitSeq(changes, []byte("\n")) {
		var c Change
		if json.Unmarshal(line, &c) == nil {
			e.take(c)
		}
	}
	if e.Ending != nil {
		e.Final, e.Running, e.Behind = e.Ending, nil, false
	}
	return e, nil
}
