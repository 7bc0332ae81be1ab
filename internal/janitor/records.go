package janitor

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"lced-runner/executor"
	"lced-runner/internal/durable"
)

// records tell what was used when, which the engine does not know. Uses are numbered: whatever the clock says, a greater
// number is a later use.
type records struct {
	file string

	mu    sync.Mutex
	dirty bool
	known known
}

// known is the file.
type known struct {
	Last    uint64            `json:"last"`
	Images  map[string]*image `json:"images"`  // by id: those that jobs have pulled
	Volumes map[string]uint64 `json:"volumes"` // by name
}

type image struct {
	Used uint64   `json:"used"`
	Refs []string `json:"refs"` // by which jobs have pulled it
}

// readRecords always returns records; without a file, or with one that cannot be read, empty ones.
func readRecords(file string) (*records, error) {
	r := &records{file: file}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &r.known)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		r.known = known{}
		err = fmt.Errorf("read which images and volumes were used last: %w", err)
	}
	if r.known.Images == nil {
		r.known.Images = map[string]*image{}
	}
	if r.known.Volumes == nil {
		r.known.Volumes = map[string]uint64{}
	}
	for id, i := range r.known.Images {
		if i == nil {
			delete(r.known.Images, id)
		}
	}
	return r, err
}

// note numbers a use. It reports whether that is news that must not be lost.
func (r *records) note(u executor.Use) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known.Last++
	r.dirty = true
	if u.Volume != "" {
		r.known.Volumes[u.Volume] = r.known.Last
		return false
	}
	i := r.known.Images[u.Image]
	if i == nil && !u.Pulled {
		return false // somebody else's
	}
	if i == nil {
		i = &image{}
		r.known.Images[u.Image] = i
	}
	i.Used = r.known.Last
	if u.Pulled && !slices.Contains(i.Refs, tagged(u.Ref)) {
		i.Refs = append(i.Refs, tagged(u.Ref))
		return true
	}
	return false
}

// last is the number of the last use.
func (r *records) last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known.Last
}

// idle lists what may be removed, the longest unused first, and forgets what is not on the engine any more. last was the last use
// before the items were listed: what was used since then is neither idle nor gone, whatever the list says.
func (r *records) idle(items []executor.Item, last uint64) []executor.Item {
	r.mu.Lock()
	defer r.mu.Unlock()
	type aged struct {
		executor.Item
		used uint64
	}
	var idle []aged
	images, volumes := map[string]*image{}, map[string]uint64{}
	for _, item := range items {
		if item.Volume != "" {
			used := r.known.Volumes[item.Volume]
			volumes[item.Volume] = used
			if !item.Busy && used <= last {
				idle = append(idle, aged{item, used})
			}
			continue
		}
		i := r.known.Images[item.Image]
		if i == nil {
			continue
		}
		images[item.Image] = i
		foreign := slices.ContainsFunc(item.Refs, func(ref string) bool { return !slices.Contains(i.Refs, ref) })
		if !item.Busy && !foreign && i.Used <= last {
			idle = append(idle, aged{item, i.Used})
		}
	}
	for id, i := range r.known.Images {
		if i.Used > last {
			images[id] = i
		}
	}
	for name, used := range r.known.Volumes {
		if used > last {
			volumes[name] = used
		}
	}
	r.known.Images, r.known.Volumes, r.dirty = images, volumes, true
	slices.SortStableFunc(idle, func(a, b aged) int { return cmp.Compare(a.used, b.used) })
	oldest := make([]executor.Item, len(idle))
	for n := range idle {
		oldest[n] = idle[n].Item
	}
	return oldest
}

// forget drops the record of what was removed, unless a job has brought it anew; last is that of idle.
func (r *records) forget(i executor.Item, last uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if img := r.known.Images[i.Image]; img != nil && img.Used <= last {
		delete(r.known.Images, i.Image)
	}
	if r.known.Volumes[i.Volume] <= last {
		delete(r.known.Volumes, i.Volume)
	}
	r.dirty = true
}

// save writes the file anew if there is news, whole or not at all.
func (r *records) save() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.dirty {
		return nil
	}
	text, err := json.Marshal(r.known)
	if err != nil {
		return err
	}
	if err := durable.Replace(r.file, text, 0); err != nil {
		return fmt.Errorf("write which images and volumes were used last: %w", err)
	}
	r.dirty = false
	return nil
}
