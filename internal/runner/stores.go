package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/durable"
	"lced-runner/internal/plan"
	"lced-runner/jobapi"
)

// stores remembers of each volume that keeps a project's images when a job had it last and how large it was then: the
// engine knows neither. What it does not know, as after the loss of its file, it learns anew.
type stores struct {
	path string

	mu      sync.Mutex
	records map[string]storeRecord // by the volume's name
	busy    map[string]int         // by the store's name: how many jobs have it or are about to

	trim sync.Mutex // one at a time measures and removes
}

type storeRecord struct {
	Runner string    `json:"runner,omitempty"` // short token of the one whose volume it is
	Used   time.Time `json:"used"`
	Size   int64     `json:"size"` // bytes, when it was last measured; 0 = never
}

// openStores reads what an earlier process knew; a file that cannot be read is as good as none.
func openStores(dir string) (*stores, error) {
	s := &stores{path: filepath.Join(dir, "stores.json"), records: map[string]storeRecord{}, busy: map[string]int{}}
	text, err := os.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(text, &s.records)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.records = map[string]storeRecord{}
		return s, fmt.Errorf("read when stored images were used last: %w", err)
	}
	return s, nil
}

// hold keeps the stores of a plan from being removed until the function that it returns is called: a job that is about to
// mount one must find it.
func (s *stores) hold(p *executor.Plan) (release func()) {
	var names []string
	for _, service := range p.Services {
		if service.Store != nil {
			names = append(names, service.Store.Name)
		}
	}
	add := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, name := range names {
			if s.busy[name] += n; s.busy[name] == 0 {
				delete(s.busy, name)
			}
		}
	}
	add(1)
	return sync.OnceFunc(func() { add(-1) })
}

// settle measures the stores that a job has just had, and removes of all stores of the runner what exceeds the configured
// size. Nobody waits for it.
func settle(ctx context.Context, l *life, used []string) {
	if len(used) == 0 {
		return
	}
	s, e := l.stores, l.entry
	stock := e.engine.Stock()
	s.trim.Lock()
	defer s.trim.Unlock()
	own, _, err := l.engineFacts(ctx, e)
	if err != nil {
		l.log.Warn("could not measure the project's stored images", "error", err)
		return
	}
	short := jobapi.ShortToken(e.config.Token.Reveal())
	found, err := stock.Stores(ctx, map[string]string{"com.gitlab.gitlab-runner.runner.id": short})
	if err != nil {
		l.log.Warn("could not look for stored images that nobody uses", "error", err)
		return
	}
	s.keep(short, found)
	var all []dind.Stored
	for _, volume := range found {
		record := s.record(volume, short)
		justUsed := slices.Contains(used, volume.Name)
		if justUsed {
			record.Used = s.now()
		}
		if justUsed || record.Size == 0 {
			size, err := stock.Measure(ctx, own, []string{plan.Binary, "helper", "size"}, volume.Name)
			if err != nil {
				l.log.Warn("could not measure a project's stored images", "error", err)
			} else {
				record.Size = size
			}
		}
		s.note(volume.Name, record)
		all = append(all, dind.Stored{Volume: volume.Name, Size: record.Size, Used: record.Used, Busy: s.isBusy(volume.Store)})
	}
	for _, stored := range dind.Surplus(all, int64(e.config.Dind.StorageSizeCap)) {
		removed, err := stock.RemoveStore(ctx, stored.Volume)
		switch {
		case err != nil:
			l.log.Warn("could not remove stored images that exceed storage_size_cap", "volume", stored.Volume, "error", err)
		case removed:
			l.log.Info("stored images removed, since all together exceed storage_size_cap", "volume", stored.Volume, "size", stored.Size, "used", stored.Used)
			s.drop(stored.Volume)
		}
	}
	if err := s.save(); err != nil {
		l.log.Warn("the order in which stored images are removed may be lost with this process", "error", err)
	}
}

// now is later than every use that is known, whatever the clock says: a board may start in 1970.
func (s *stores) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, r := range s.records {
		if !now.After(r.Used) {
			now = r.Used.Add(time.Second)
		}
	}
	return now
}

// record is what is known of a runner's volume. One that nobody knows counts as unused since it was made.
func (s *stores) record(volume executor.StoredVolume, runner string) storeRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, known := s.records[volume.Name]
	if !known {
		r.Used = volume.Created
	}
	r.Runner = runner
	return r
}

// keep drops the records of a runner's volumes that are gone: somebody else removed them.
func (s *stores) keep(runner string, found []executor.StoredVolume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.records, func(name string, r storeRecord) bool {
		return r.Runner == runner && !slices.ContainsFunc(found, func(v executor.StoredVolume) bool { return v.Name == name })
	})
}

func (s *stores) note(volume string, r storeRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[volume] = r
}

func (s *stores) drop(volume string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, volume)
}

func (s *stores) isBusy(store string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy[store] > 0
}

// save writes the file anew, whole or not at all.
func (s *stores) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(s.records)
	if err != nil {
		return err
	}
	if err := durable.Replace(s.path, text, 0); err != nil {
		return fmt.Errorf("write when stored images were used last: %w", err)
	}
	return nil
}
