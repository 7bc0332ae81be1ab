package dind

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// The values of [Job.Storage], the key storage of [runners.dind], and of the job's variable LCED_DIND_STORAGE.
const (
	StorageEphemeral = "ephemeral" // a sidecar starts without images, and its images end with it
	StorageProject   = "project"   // images and build cache stay for the next job of the project
)

// VersionVariable is what the official images, and those that keep their contract, name their engine's version in. Engines
// of different majors do not share a storage: an older one cannot read what a newer one wrote.
const VersionVariable = "DOCKER_VERSION"

// Storage is where a sidecar finds the images of the project's last job.
type Storage struct {
	Key      string // tells the storages of one project and slot apart: a host name, "docker" for the sidecar of that name
	DataRoot string // where the daemon has it
}

// storage says which storage the job's sidecars get. The configuration grants what takes the board's disk, so a job may ask
// for less only.
func (r *reading) storage() string {
	switch said := r.job.variable("LCED_DIND_STORAGE"); said {
	case "", r.job.Storage:
		return r.job.Storage
	case StorageEphemeral:
		return StorageEphemeral
	case StorageProject:
		r.setup.warn(`LCED_DIND_STORAGE is "project", which this runner does not keep, so the sidecar starts without images: set storage = "project" in [runners.dind]`)
		return StorageEphemeral
	default:
		r.setup.warn("LCED_DIND_STORAGE is %q, expected ephemeral or project: it has no effect", said)
		return r.job.Storage
	}
}

// storageOf is a sidecar's where images stay; why says why it has none.
func (j Job) storageOf(s Sidecar, isMain bool) (storage Storage, why string) {
	root := dataRoot(s.Image, s.Command)
	if j.mounted(root) || slices.ContainsFunc(j.Volumes, func(m Mount) bool { return within(m.Destination, root) }) {
		return Storage{}, fmt.Sprintf(`a volume of the configuration is mounted at the daemon's %s or below, so storage = "project" has no effect`, root)
	}
	if isMain || len(s.Aliases) == 0 {
		return Storage{Key: "docker", DataRoot: root}, ""
	}
	return Storage{Key: s.Aliases[0], DataRoot: root}, ""
}

// dataRoot is where a daemon keeps its images: what its arguments say, else the usual place.
func dataRoot(image string, args []string) string {
	for _, name := range []string{"data-root", "graph", "g"} {
		if root := flagValue(args, name); path.IsAbs(root) {
			return path.Clean(root)
		}
	}
	if isRootless(image) {
		return path.Join(rootlessHome, ".local/share/docker")
	}
	return "/var/lib/docker"
}

// flagValue is the value of an option, by its long name; empty where it is not set.
func flagValue(args []string, name string) string {
	for _, group := range flagGroups(args) {
		if flagName(group[0]) != name {
			continue
		}
		if _, value, inside := strings.Cut(group[0], "="); inside || len(group) == 1 {
			return value
		}
		return group[1]
	}
	return ""
}

// Stored is one project's storage on an engine.
type Stored struct {
	Volume string
	Size   int64     // bytes
	Used   time.Time // when a job had it last
	Busy   bool      // a job has it now
}

// Surplus are the storages to remove so that the rest is not larger than limit (bytes, 0 = no limit): first those that were
// not used for the longest time, and none that is busy.
func Surplus(all []Stored, limit int64) []Stored {
	if limit <= 0 {
		return nil
	}
	var total int64
	for _, s := range all {
		total += s.Size
	}
	byAge := slices.SortedFunc(slices.Values(all), func(a, b Stored) int { return a.Used.Compare(b.Used) })
	var surplus []Stored
	for _, s := range byAge {
		if total <= limit {
			break
		}
		if !s.Busy {
			surplus = append(surplus, s)
			total -= s.Size
		}
	}
	return surplus
}
