package janitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lced-runner/executor"
)

// warehouse is a stock on a disk of 100 bytes: each item takes one.
type warehouse struct {
	items   []executor.Item
	other   int64 // what is taken by others
	lists   int
	listed  func() // called behind a listing
	removed func() // called behind a removal
	gone    []string
	stuck   string // what cannot be removed
	orphans []map[string]bool
	looked  []time.Time // for orphans
	counted map[string]int
}

func (w *warehouse) Items(context.Context) ([]executor.Item, error) {
	w.lists++
	items := slices.Clone(w.items)
	if w.listed != nil {
		w.listed()
	}
	return items, nil
}

func (w *warehouse) Discard(_ context.Context, i executor.Item) error {
	name := i.Image + i.Volume
	if name == w.stuck {
		return errors.New("a container has it")
	}
	w.gone = append(w.gone, name)
	w.items = slices.DeleteFunc(w.items, func(o executor.Item) bool { return o.Image+o.Volume == name })
	if w.removed != nil {
		w.removed()
	}
	return nil
}

func (w *warehouse) Orphans(_ context.Context, _ func(map[string]string) bool, seen map[string]bool) (map[string]bool, int, error) {
	w.orphans, w.looked = append(w.orphans, seen), append(w.looked, time.Now())
	return map[string]bool{"o": true}, len(seen), nil
}

func (w *warehouse) count(kind string, n int) {
	if w.counted == nil {
		w.counted = map[string]int{}
	}
	w.counted[kind] += n
}

func (w *warehouse) disk() (Space, error) {
	return Space{Free: 100 - w.other - int64(len(w.items)), Total: 100}, nil
}

func newTest(t *testing.T, w *warehouse, l Limits) (*Janitor, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	j, err := New(Options{
		Stock: w, Disk: w.disk, Count: w.count, File: filepath.Join(t.TempDir(), "uses.json"),
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	}, l)
	if err != nil {
		t.Fatal(err)
	}
	return j, &log
}

func TestLongestUnusedGoesFirst(t *testing.T) {
	t.Parallel()
	w := &warehouse{other: 80, stuck: "v2", items: []executor.Item{
		{Volume: "v-busy", Busy: true}, {Volume: "v1"}, {Volume: "v2"}, {Volume: "v3"}, {Volume: "v-never"},
		{Image: "operator", Refs: []string{"tool:1"}}, {Image: "pulled", Refs: []string{"alpine:3"}}, {Image: "dangling"},
		{Image: "shared", Refs: []string{"debian:12", "mine:1"}}, {Image: "later", Refs: []string{"busybox:latest"}},
	}}
	j, _ := newTest(t, w, Limits{High: 85, Low: 82})
	for _, u := range []executor.Use{
		{Volume: "v-busy"}, {Volume: "v1"}, {Image: "dangling", Ref: "alpine:3", Pulled: true}, {Volume: "v2"},
		{Image: "pulled", Ref: "docker.io/library/alpine:3", Pulled: true}, {Image: "operator", Ref: "tool:1"},
		{Image: "shared", Ref: "debian:12", Pulled: true}, {Volume: "v3"}, {Image: "later", Ref: "busybox", Pulled: true}, {Volume: "v1"},
	} {
		j.Note(u)
	}
	if err := j.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Down to 82 % eight would have to go, but only six may.
	want := []string{"v-never", "dangling", "pulled", "v3", "later", "v1"}
	if diff := cmp.Diff(want, w.gone); diff != "" {
		t.Error(diff)
	}
	if w.lists != 1 {
		t.Errorf("the stock was listed %d times", w.lists)
	}
	if diff := cmp.Diff(map[string]int{"volume": 3, "image": 3}, w.counted); diff != "" {
		t.Errorf("counted (-want +got)\n%s", diff)
	}
}

// TestUsedBehindTheList: what jobs begin to use while the stock is listed stays, and is known from then on, as is what a job brings
// anew behind its removal.
func TestUsedBehindTheList(t *testing.T) {
	t.Parallel()
	w := &warehouse{other: 90, items: []executor.Item{
		{Volume: "idle"}, {Volume: "volume"}, {Image: "image", Refs: []string{"a:1"}}, {Image: "again", Refs: []string{"c:1"}},
	}}
	j, _ := newTest(t, w, Limits{High: 85, Low: 80})
	again := executor.Use{Image: "again", Ref: "c:1", Pulled: true}
	j.Note(again)
	uses := []executor.Use{{Volume: "volume"}, {Image: "image", Ref: "a:1", Pulled: true}}
	for _, u := range uses {
		j.Note(u)
	}
	w.listed = func() {
		for _, u := range append(uses, executor.Use{Volume: "new"}, executor.Use{Image: "pulled", Ref: "b:1", Pulled: true}) {
			j.Note(u)
		}
	}
	w.removed = func() {
		if slices.Contains(w.gone, "again") {
			j.Note(again)
		}
	}
	if err := j.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"idle", "again"}, w.gone); diff != "" {
		t.Error(diff)
	}
	known := j.records.known
	if known.Images["again"] == nil || known.Images["pulled"] == nil || known.Images["image"] == nil || known.Volumes["new"] == 0 || known.Volumes["volume"] == 0 {
		t.Errorf("known are %v and %v", known.Images, known.Volumes)
	}
}

func TestUsesOutliveTheProcess(t *testing.T) {
	t.Parallel()
	w := &warehouse{other: 90, items: []executor.Item{{Volume: "old"}, {Volume: "new"}, {Image: "i", Refs: []string{"a:1"}}}}
	j, _ := newTest(t, w, Limits{High: 91, Low: 91})
	j.Note(executor.Use{Volume: "new"})
	j.Note(executor.Use{Image: "i", Ref: "a:1", Pulled: true})
	// A pull is written at once, and all else with it.
	j.Note(executor.Use{Volume: "old"})
	j, err := New(j.Options, j.limits)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The last use of old was only in memory, which costs its place, no more.
	if diff := cmp.Diff([]string{"old", "new"}, w.gone); diff != "" {
		t.Error(diff)
	}
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"images":{"x":null}}`, `[]`} {
		file := filepath.Join(t.TempDir(), "uses.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		j, _ := New(Options{File: file, Logger: slog.New(slog.DiscardHandler)}, Limits{})
		j.Note(executor.Use{Image: "x", Ref: "x:1", Pulled: true})
		if again, err := readRecords(file); err != nil || again.known.Images["x"] == nil {
			t.Errorf("after %q the file holds %v, %v", text, again.known, err)
		}
	}
}

// TestManyItems: ten thousand volumes are listed once and sorted once.
func TestManyItems(t *testing.T) {
	t.Parallel()
	w := &warehouse{}
	for n := range 10_000 {
		w.items = append(w.items, executor.Item{Volume: fmt.Sprint(n)})
	}
	j, _ := newTest(t, w, Limits{High: 85, Low: 75})
	total := int64(11_000)
	j.Disk = func() (Space, error) { return Space{Free: total - int64(len(w.items)), Total: total}, nil }
	for n := range 10_000 {
		j.Note(executor.Use{Volume: fmt.Sprint(9_999 - n)})
	}
	if err := j.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.lists != 1 || len(w.items) != 8359 || w.gone[0] != "9999" {
		t.Errorf("%d lists, %d left, first gone %s", w.lists, len(w.items), w.gone[0])
	}
}

// static is a stock that only counts what is removed.
type static struct {
	warehouse
	removed int
}

func (s *static) Discard(context.Context, executor.Item) error {
	s.removed++
	return nil
}

// BenchmarkClean removes about a quarter of what there is: its cost for each item grows with the logarithm of their number, as sorting does.
func BenchmarkClean(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n, " volumes"), func(b *testing.B) {
			var items []executor.Item
			for i := range n {
				items = append(items, executor.Item{Volume: fmt.Sprint(i)})
			}
			for b.Loop() {
				s := &static{warehouse: warehouse{items: items}}
				j, err := New(Options{Stock: s, Count: s.count, Logger: slog.New(slog.DiscardHandler), Disk: func() (Space, error) {
					return Space{Free: int64(s.removed), Total: int64(n)}, nil
				}}, Limits{High: 85, Low: 75})
				if err != nil {
					b.Fatal(err)
				}
				for i := range n {
					j.records.note(executor.Use{Volume: fmt.Sprint(n - i)})
				}
				if err := j.Clean(b.Context()); err != nil || s.removed < n/5 {
					b.Fatal(s.removed, err)
				}
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &warehouse{other: 95}
		j, log := newTest(t, w, Limits{High: 85, Low: 75, MinFreeDisk: 10, MinFreeMemory: 100 << 20})
		free := int64(250 << 20)
		j.Memory = func() (int64, error) { return free, nil }
		refuses := func(why string) {
			t.Helper()
			err := j.Refuse(t.Context())
			if why == "" && err != nil || why != "" && (err == nil || !strings.Contains(err.Error(), why)) {
				t.Errorf("refused: %v, want %q", err, why)
			}
		}
		refuses("min_free_disk")
		refuses("min_free_disk")
		if n := strings.Count(log.String(), "still fuller"); n != 1 {
			t.Errorf("the operator was told %d times", n)
		}
		w.other = 90
		refuses("")
		j.Begin()
		refuses("")
		j.Begin()
		refuses("min_free_memory") // two jobs have not yet taken what they need
		time.Sleep(settling)
		refuses("")
		free = 99 << 20
		refuses("99 MiB of memory")
		j.SetLimits(Limits{High: 100, Low: 100})
		refuses("")
		j.Left()
		refuses("")
		if len(w.orphans) != 2 || w.orphans[0] != nil || !w.orphans[1]["o"] {
			t.Errorf("orphans were looked for with %v", w.orphans)
		}
		if pause := w.looked[1].Sub(w.looked[0]); pause < twoLooks { // by the clock of synctest
			t.Errorf("what is just being made has %v to be claimed", pause)
		}
		if w.counted["orphan"] != 1 {
			t.Errorf("counted are %v", w.counted)
		}
		refuses("")
		if len(w.orphans) != 2 {
			t.Error("orphans are looked for although nothing is left")
		}
	})
}

// TestFullStateDir: what cannot be written stays in memory, and is written when there is room again.
func TestFullStateDir(t *testing.T) {
	t.Parallel()
	j, log := newTest(t, &warehouse{}, Limits{High: 100})
	dir := filepath.Dir(j.records.file)
	j.records.file = filepath.Join(dir, "gone", "uses.json")
	j.Note(executor.Use{Image: "x", Ref: "x:1", Pulled: true})
	if !strings.Contains(log.String(), "only in memory") {
		t.Errorf("log: %s", log)
	}
	if err := os.Mkdir(filepath.Join(dir, "gone"), 0o700); err != nil {
		t.Fatal(err)
	}
	j.save()
	if again, err := readRecords(j.records.file); err != nil || again.known.Images["x"] == nil {
		t.Errorf("the file holds %v, %v", again.known, err)
	}
}

func TestMeasures(t *testing.T) {
	t.Parallel()
	if s, err := Disk(t.TempDir()); err != nil || s.Total <= 0 || s.Free < 0 || s.Free > s.Total {
		t.Errorf("disk: %+v, %v", s, err)
	}
	if _, err := Disk("/does/not/exist"); err == nil {
		t.Error("a disk without a path has space")
	}
	if n, err := Memory(); err != nil || n <= 0 {
		t.Errorf("memory: %d, %v", n, err)
	}
}
