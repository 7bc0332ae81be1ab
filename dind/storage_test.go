package dind

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStorage(t *testing.T) {
	t.Parallel()
	project := []Storage{{Key: "docker", DataRoot: "/var/lib/docker"}}
	none := []Storage{{}}
	tests := []struct {
		name       string
		configured string
		asked      string
		services   []Service
		volumes    []Mount
		want       []Storage
		warn       string
	}{
		{name: "by default none", want: none},
		{name: "the project's", configured: StorageProject, want: project},
		{name: "a job may have less", configured: StorageProject, asked: "ephemeral", want: none},
		{name: "but not more", asked: "project", want: none, warn: `set storage = "project" in [runners.dind]`},
		{name: "nor what nobody knows", configured: StorageProject, asked: "forever", want: project, warn: `"forever"`},
		{name: "a volume there is the operator's", configured: StorageProject, volumes: []Mount{{Source: "/srv/docker", Destination: "/var/lib/docker"}},
			want: none, warn: "has no effect"},
		{name: "and so is one below", configured: StorageProject, volumes: []Mount{{Destination: "/var/lib/docker/overlay2"}}, want: none, warn: "has no effect"},
		{name: "where the daemon is told to have it", configured: StorageProject,
			services: []Service{{Name: "docker:dind", Aliases: []string{"docker"}, Command: []string{"--data-root", "/data"}}},
			want:     []Storage{{Key: "docker", DataRoot: "/data"}}},
		{name: "where a rootless daemon has it", configured: StorageProject,
			services: []Service{{Name: "docker:27-dind-rootless", Aliases: []string{"docker"}}},
			want:     []Storage{{Key: "docker", DataRoot: "/home/rootless/.local/share/docker"}}},
		{name: "each of several its own", configured: StorageProject,
			services: []Service{{Name: "docker:dind", Aliases: []string{"docker"}}, {Name: "docker:24-dind", Aliases: []string{"old"}}},
			want:     []Storage{{Key: "docker", DataRoot: "/var/lib/docker"}, {Key: "old", DataRoot: "/var/lib/docker"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			job := Job{Privileged: true, BuildImage: "docker:latest", Storage: test.configured, Services: test.services, Volumes: test.volumes}
			if test.asked != "" {
				job.Variables = vars("LCED_DIND_STORAGE", test.asked)
			}
			setup, err := Decide(job)
			if err != nil {
				t.Fatal(err)
			}
			var got []Storage
			for _, s := range setup.Sidecars {
				got = append(got, s.Storage)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("storages (-want +got):\n%s", diff)
			}
			if warnings := strings.Join(setup.Warnings, "\n"); !strings.Contains(warnings, test.warn) || test.warn == "" && warnings != "" {
				t.Errorf("warnings %q, want %q", warnings, test.warn)
			}
		})
	}
}

func TestSurplus(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC) }
	all := []Stored{
		{Volume: "new", Size: 40, Used: at(9)},
		{Volume: "oldest", Size: 10, Used: at(1)},
		{Volume: "old and busy", Size: 20, Used: at(2), Busy: true},
		{Volume: "old", Size: 30, Used: at(3)},
	}
	for _, test := range []struct {
		limit int64
		want  string
	}{
		{0, ""}, {100, ""}, {99, "oldest"}, {90, "oldest"}, {89, "oldest old"}, {60, "oldest old"}, {59, "oldest old new"}, {1, "oldest old new"},
	} {
		var got []string
		for _, s := range Surplus(all, test.limit) {
			got = append(got, s.Volume)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("limit %d: %v is surplus, want %s", test.limit, got, test.want)
		}
	}
}
