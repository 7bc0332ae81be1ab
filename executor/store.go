package executor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// labelStore marks the volume of a [Store]; its value is the name without version.
const labelStore = "lced.store"

// volume is the store for a service of this image.
func (st *Store) volume(image resolved) Volume {
	labels := map[string]string{labelStore: st.Name}
	maps.Copy(labels, st.Labels)
	return Volume{Name: st.Name + "-" + st.version(image), Target: st.Target, Labels: labels}
}

// version is the first number in the image's variable of that purpose, else the beginning of the image's id.
func (st *Store) version(image resolved) string {
	for _, kv := range image.Env {
		value, ok := strings.CutPrefix(kv, st.Version+"=")
		major, _, _ := strings.Cut(value, ".")
		if n, err := strconv.ParseUint(major, 10, 16); ok && err == nil {
			return strconv.FormatUint(n, 10)
		}
	}
	id := strings.TrimPrefix(image.ID, "sha256:")
	return id[:min(len(id), 12)]
}

// exitKilled is the exit code of a container that was killed from outside, by the kernel or somebody: no store is to blame.
const exitKilled = 137

// stored brings a service up on its store. Where that fails, a start without the store tells whether it is to blame: then it
// is dropped.
func (r *serviceRun) stored(job, ctx context.Context) (string, error) {
	volume := r.svc.Store.volume(r.image)
	found, err := r.openStore(ctx, volume)
	if err != nil {
		return "", err
	}
	id, err := r.start(job, ctx, volume.Name+":"+volume.Target)
	if err == nil {
		err = r.ready(ctx, id)
	}
	failure, failed := errors.AsType[*ServiceError](err)
	if err == nil || !failed || !found || failure.ExitCode == exitKilled {
		return id, err
	}
	if err := r.engine.containers.remove(ctx, id); err != nil {
		return "", err
	}
	if id, err = r.start(job, ctx); err == nil {
		err = r.ready(ctx, id)
	}
	if err != nil {
		return id, err
	}
	warn(r.log, "%v on what earlier jobs of this project stored, and does start without: that is dropped, and this job starts with nothing. The last lines of its log:", failure)
	r.log.Plain("%s", strings.TrimRight(string(failure.Log), "\n"))
	r.Stores.drop(volume.Name)
	if err := r.engine.volumes.remove(ctx, volume.Name); err != nil {
		warn(r.log, "what earlier jobs stored could not be dropped, so the next job tries it again: %v", err)
	}
	return id, nil
}

// openStore creates the store unless an earlier job left it, which found tells.
func (r *serviceRun) openStore(ctx context.Context, volume Volume) (found bool, err error) {
	ctx, cancel := steady(ctx)
	defer cancel()
	r.Stores.add(volume.Name)
	claimForJob(r.Job, Use{Volume: volume.Name})
	if err := r.engine.claims.settle(ctx, volume.Name); err != nil {
		return false, err
	}
	switch _, err := r.engine.docker.VolumeInspect(ctx, volume.Name, client.VolumeInspectOptions{}); {
	case err == nil:
		found = true
		r.log.Plain("Service %s starts with what an earlier job of this project stored", r.svc.Title)
	case !errdefs.IsNotFound(err):
		return false, fmt.Errorf("look for volume %s: %w", volume.Name, err)
	default:
		r.log.Plain("Service %s starts with nothing; what it holds at the end stays for the next job of this project", r.svc.Title)
	}
	return found, r.engine.volumes.create(ctx, volume, r.plan.Labels)
}

// StoreSet are the volumes of the stores that a job has.
type StoreSet struct {
	mu    sync.Mutex
	names map[string]bool
}

func (s *StoreSet) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
}

func (s *StoreSet) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, name)
}

// Names are those of the volumes.
func (s *StoreSet) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.names))
}

// StoredVolume is the volume of a [Store] on the engine.
type StoredVolume struct {
	Name    string
	Store   string // its name without version
	Created time.Time
}

// Stores lists those that are ours and have all these labels.
func (s *Stock) Stores(ctx context.Context, labels map[string]string) ([]StoredVolume, error) {
	filters := ours(s.engine.owner).Add("label", labelStore)
	for name, value := range labels {
		filters = filters.Add("label", name+"="+value)
	}
	res, err := s.engine.docker.VolumeList(ctx, client.VolumeListOptions{Filters: filters})
	if err != nil {
		return nil, fmt.Errorf("list the volumes of stored images: %w", err)
	}
	var stores []StoredVolume
	for _, v := range res.Items {
		created, _ := time.Parse(time.RFC3339, v.CreatedAt) // without one it counts as the oldest
		stores = append(stores, StoredVolume{Name: v.Name, Store: v.Labels[labelStore], Created: created})
	}
	return stores, nil
}

// RemoveStore removes a store, unless a container or a job of this process has it: that is no error, and removed tells.
func (s *Stock) RemoveStore(ctx context.Context, name string) (removed bool, err error) {
	err = s.engine.claims.remove(name, func() error { return s.engine.volumes.remove(ctx, name) })
	if errdefs.IsConflict(err) || errors.Is(err, errClaimed) {
		return false, nil
	}
	return err == nil, err
}

// measuredAt is where a volume is mounted that is being measured.
const measuredAt = "/measured"

// Measure is the disk space that a volume takes, in bytes. command prints it in a short container of our own image, given a
// path: the engine itself could only measure all volumes at once.
func (s *Stock) Measure(ctx context.Context, ownImage string, command []string, volume string) (int64, error) {
	out, err := s.engine.containers.once(ctx, ownImage, append(append([]string{}, command...), measuredAt), "none", volume+":"+measuredAt+":ro")
	var size int64
	if err == nil {
		size, err = strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	}
	if err != nil {
		return 0, fmt.Errorf("measure volume %s: %w", volume, err)
	}
	return size, nil
}
