package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// workTree is a repository in the making.
type workTree struct {
	w   *world
	dir string
}

func (r workTree) git(args ...string) {
	r.w.t.Helper()
	r.w.git(r.dir, args...)
}

// commit writes a file and commits it, with what is in the index already.
func (r workTree) commit(file, text string) {
	r.w.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, file), []byte(text), 0o644); err != nil {
		r.w.t.Fatal(err)
	}
	r.git("add", file)
	r.git("-c", "user.name=e2e", "-c", "user.email=e2e@example.com", "commit", "-q", "-m", file)
}

// repository is a repository e2e/<name> that fill has filled, and that the coordinator serves.
func (w *world) repository(name, objects string, fill func(workTree)) coordinator.Repository {
	w.t.Helper()
	r := workTree{w, w.t.TempDir()}
	r.git("init", "-q", "-b", "main", "--object-format", objects)
	fill(r)
	repo, err := coordinator.Snapshot(w.t.Context(), r.dir, filepath.Join(w.t.TempDir(), "bare"))
	if err != nil {
		w.t.Fatal(err)
	}
	repo.Path = "e2e/" + name
	w.gitlab.AddProject(repo.Path, repo.Dir)
	return repo
}

// commits makes n commits of a file that tells their number, with a tag each.
func commits(n int) func(workTree) {
	return func(r workTree) {
		for i := range n {
			r.commit("number", fmt.Sprintf("%d\n", i))
			r.git("tag", fmt.Sprintf("v%d", i))
		}
	}
}

// withModule makes a commit that has another repository as a submodule, by a relative address.
func withModule(name string, module coordinator.Repository) func(workTree) {
	return func(r workTree) {
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o755); err != nil {
			r.w.t.Fatal(err)
		}
		r.git("update-index", "--add", "--cacheinfo", "160000,"+module.SHA+","+name)
		r.commit(".gitmodules", fmt.Sprintf("[submodule %q]\n\tpath = %s\n\turl = ../%s.git\n", name, name, filepath.Base(module.Path)))
	}
}

// of gives a job another repository than the world's.
func of(spec coordinator.JobSpec, repo coordinator.Repository) coordinator.JobSpec {
	spec.Repository = repo
	return spec
}

// showRefs lists references without git, which the images lack.
const showRefs = `find .git/refs -type f; cat .git/packed-refs || true`

func TestConformance_05_GitStrategies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, everyPolicy, nil)
	// One after the other, so that all are in the same slot.
	sequence := []scenario{
		{"first fetch", job("touch untracked .git/kept", "echo changed >README", "mkdir /builds/outside"), succeeds("Created fresh repository.")},
		{"fetch again", job("ls -A", "cat README", "ls .git/kept /builds/outside"), func(t *testing.T, e ending) {
			lacks(succeeds("a file of the repository\n", "Removing untracked", ".git/kept\n"), "\nuntracked\n", "Created fresh repository.")(t, e)
		}},
		{"clone", with(job("ls -A . .git"), "GIT_STRATEGY=clone"), lacks(succeeds("Created fresh repository.", "\nREADME\n"), "\nkept\n")},
		{"none", with(job(`echo "here: $(ls -A)."`), "GIT_STRATEGY=none"), lacks(succeeds("here: .\n"), "get_sources")},
		{"empty", with(job(`echo "here: $(ls -A)."`, "pwd"), "GIT_STRATEGY=empty"), succeeds("here: .\n", w.repo.Path+"-empty\n")},
		{"no checkout", with(job("ls -A", "touch more"), "GIT_CHECKOUT=false"), succeeds("Skipping Git checkout")},
		{"no clean", with(job("ls more"), "GIT_CLEAN_FLAGS=none"), succeeds("\nmore\n")},
		{"a commit that is gone", patched(job("echo never"), func(payload map[string]any) {
			payload["git_info"].(map[string]any)["sha"] = strings.Repeat("1", 40)
		}), lacks(func(t *testing.T, e ending) {
			if e.State != coordinator.StateFailed || e.FailureReason != "script_failure" || e.ExitCode == 0 {
				t.Errorf("state %s, reason %s, exit code %d\n%s", e.State, e.FailureReason, e.ExitCode, e.log)
			}
		}, "never\n")},
		{"afterwards", job("cat README"), succeeds("a file of the repository\n")},
	}
	for _, s := range sequence {
		w.play([]scenario{s})
	}
}

func TestConformance_05_GitRepositories(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	history := w.repository("history", "sha1", commits(3))
	tag := history
	tag.Ref, tag.Tag, tag.SHA, tag.DefaultBranch = "v1", true, "", "main"
	inner := w.repository("inner", "sha1", func(r workTree) { r.commit("innermost", "innermost file\n") })
	middle := w.repository("middle", "sha1", withModule("inner", inner))
	outer := w.repository("outer", "sha1", withModule("middle", middle))
	sha256 := w.repository("sha256", "sha256", commits(1))
	hooked := job("cat /builds/hooked")
	hooked.Job.PreGetSources = []string{"echo from the hook >/builds/hooked", "echo in the helper"}
	unhooked := job("echo never")
	unhooked.Job.PreGetSources = []string{"exit 3"}
	w.play([]scenario{
		{"depth", with(of(job("cat number", "wc -l <.git/shallow"), history), "GIT_DEPTH=1"), succeeds("git depth set to 1...", "\n2\n", "\n1\n")},
		{"whole history", with(of(job("cat number", "ls .git", showRefs), history), "GIT_DEPTH=0"), lacks(succeeds("\n2\n", "v0"), "\nshallow\n")},
		{"tag", of(job("cat number", "echo tag $CI_COMMIT_TAG"), tag), succeeds("(ref is v1)", "\n1\n", "tag v1\n")},
		{"sha256", of(job("cat number", "cat .git/HEAD"), sha256), succeeds("\n0\n", sha256.SHA+"\n")},
		{"no submodules", of(job("ls -A middle | wc -l"), outer), succeeds("\n0\n", "Skipping Git submodules setup")},
		{"submodules", with(of(job("ls -A middle", "ls -A middle/inner | wc -l"), outer), "GIT_SUBMODULE_STRATEGY=normal"), succeeds(".gitmodules\n", "\n0\n", "Updated submodules")},
		{"all submodules", with(of(job("cat middle/inner/innermost"), outer), "GIT_SUBMODULE_STRATEGY=recursive"), succeeds("innermost file\n", "recursively")},
		{"hook", hooked, succeeds("in the helper\n", "from the hook\n")},
		{"failing hook", unhooked, lacks(fails("script_failure", 3), "never\n")},
	})
}

// TestConformance_05_NoneIsOneContainer counts the containers that a job starts, with sources and without.
func TestConformance_05_NoneIsOneContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	for _, tt := range []struct {
		spec coordinator.JobSpec
		want int
	}{
		{with(job("true"), "GIT_STRATEGY=none"), 1},
		{job("true"), 2}, // and the helper
		{with(after(job("true"), "true"), "GIT_STRATEGY=none"), 2}, // the same container, twice
	} {
		started := w.watchStarts()
		if j, log := w.run(tt.spec); j.State != coordinator.StateSuccess {
			t.Fatalf("state %s\n%s", j.State, log)
		}
		if names := started(); len(names) != tt.want {
			t.Errorf("the job starts %v, want %d starts", names, tt.want)
		}
	}
}

// watchStarts listens to the engine. The function that it returns waits until a build container is removed, and gives the names
// of the job containers that were started until then, one for each start.
func (w *world) watchStarts() (started func() []string) {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	stream := w.docker.Events(w.t.Context(), client.EventsListOptions{
		Filters: client.Filters{}.Add("label", "lced.runner="+id, "com.gitlab.gitlab-runner.job.id").Add("type", string(events.ContainerEventType)),
	})
	return func() []string {
		w.t.Helper()
		var names []string
		for {
			select {
			case e := <-stream.Messages:
				name := e.Actor.Attributes["name"]
				switch {
				case e.Action == events.ActionStart:
					names = append(names, name)
				case e.Action == events.ActionDestroy && strings.HasSuffix(name, "-build"):
					return names
				}
			case err := <-stream.Err:
				w.t.Fatal(err)
			}
		}
	}
}

// TestConformance_05_BuildsVolume shows what the next job of a slot finds of the volumes of the one before.
func TestConformance_05_BuildsVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, everyPolicy+"    volumes = [\"/cache\", \"/scratch\"]\n", nil)
	for _, s := range []scenario{
		{"first", job("echo of the first >/cache/f", "touch /scratch/f", "touch left-over"), succeeds("Created fresh repository.")},
		{"second", job("cat /cache/f", "ls /scratch", "ls -A"), lacks(succeeds("of the first\n", "\nf\n", "Removing left-over"), "Created fresh repository.", "\nleft-over\n")},
		{"other user", in("lced-test/nonroot:latest", "echo x >/cache/g", "echo y >/scratch/g", "cat /cache/g"), succeeds("\nx\n")},
		{"protected", patched(job("ls /cache | wc -l"), func(payload map[string]any) {
			payload["git_info"].(map[string]any)["protected"] = true
		}), succeeds("Created fresh repository.", "\n0\n")},
	} {
		w.play([]scenario{s})
	}
}

// TestConformance_05_ServerWithoutGit is about a repository that cannot be had.
func TestConformance_05_ServerWithoutGit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointGit, Status: 500})
	again := with(after(job("cat README"), "echo after"), "GET_SOURCES_ATTEMPTS=2")
	w.play([]scenario{{"second attempt", again, succeeds("Getting sources failed", "a file of the repository\n", "after\n")}})
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointGit, Status: 403, Times: 2})
	w.play([]scenario{{"refused", after(job("echo never"), "echo nor this"), lacks(func(t *testing.T, e ending) {
		if e.State != coordinator.StateFailed || e.FailureReason != "script_failure" || e.ExitCode == 0 {
			t.Errorf("state %s, reason %s, exit code %d\n%s", e.State, e.FailureReason, e.ExitCode, e.log)
		}
		e.has(t, "403")
	}, "never\n", "nor this\n")}})
}
