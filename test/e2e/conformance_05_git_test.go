package e2e

import (
	"fmt"
	"os"
	"os/exec"
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

// withModule makes a commit that has one more repository as a submodule, by a relative address.
func withModule(name string, module coordinator.Repository) func(workTree) {
	return func(r workTree) {
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o755); err != nil {
			r.w.t.Fatal(err)
		}
		r.git("update-index", "--add", "--cacheinfo", "160000,"+module.SHA+","+name)
		others, _ := os.ReadFile(filepath.Join(r.dir, ".gitmodules"))
		r.commit(".gitmodules", fmt.Sprintf("%s[submodule %q]\n\tpath = %s\n\turl = ../%s.git\n", others, name, name, filepath.Base(module.Path)))
	}
}

// commitOf is the id of the commit that a reference of a served repository names.
func (w *world) commitOf(repo coordinator.Repository, ref string) string {
	w.t.Helper()
	id, err := exec.Command("git", "-C", repo.Dir, "rev-parse", ref).Output()
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.TrimSpace(string(id))
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
		{"hostile", job(
			`mkdir -p .git/hooks; printf '#!/bin/sh\ntouch /builds/pwned\n' >.git/hooks/post-checkout; chmod 755 .git/hooks/post-checkout`,
			`printf '[core]\n\tfsmonitor = touch /builds/pwned\n\tsshCommand = touch /builds/pwned\n[filter "x"]\n\tsmudge = touch /builds/pwned; cat\n[alias]\n\tfetch = !touch /builds/pwned\n' >>.git/config`,
			`mkdir -p .git/info; echo '* filter=x' >.git/info/attributes; echo '* filter=x' >.gitattributes; rm README`,
			`for lock in index shallow HEAD refs/heads/main; do mkdir -p .git/refs/heads; touch .git/$lock.lock; done`,
		), succeeds()},
		{"runs nothing", job("cat README", "ls /builds/pwned || echo none"), succeeds("a file of the repository\n", "\nnone\n")},
		{"objects that a power cut emptied", job(`find .git/objects -type f -exec sh -c ': >"$1"' sh {} \;`), succeeds()},
		{"are replaced", job("cat README"), succeeds("The checkout of an earlier job cannot be used any more.", "Created fresh repository.", "a file of the repository\n")},
		{"a link for a repository", job("mv .git /builds/elsewhere", "ln -s /builds/elsewhere .git"), succeeds()},
		{"is replaced", job("[ -d .git ] && [ ! -L .git ]", "cat README"), succeeds("Created fresh repository.", "a file of the repository\n")},
		{"no token stays", job(`grep -rl "$CI_JOB_TOKEN" .git "$CI_PROJECT_DIR.tmp" || echo none`), succeeds("\nnone\n", "Gitaly correlation ID: ")},
		{"FF_ENABLE_JOB_CLEANUP", with(job("touch left-over", "echo changed >README"), "FF_ENABLE_JOB_CLEANUP=true"), succeeds("Cleaning up the build directory...")},
		{"has cleaned up", with(job("ls -A", "cat README"), "GIT_STRATEGY=fetch", "GIT_CHECKOUT=false"), lacks(succeeds("a file of the repository\n"), "\nleft-over\n")},
		{"FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR", with(in("lced-test/nonroot:latest", "stat -c 'seen %u:%g %a' README .", "echo mine >>README"), "FF_DISABLE_UMASK_FOR_DOCKER_EXECUTOR=true", "GIT_STRATEGY=clone"),
			succeeds("seen 1000:1000 644\n", "seen 1000:1000 755\n")},
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
	request := w.repository("request", "sha1", commits(2))
	w.git(request.Dir, "update-ref", "refs/merge-requests/7/head", "main~1")
	merge := patched(of(job("cat number", showRefs), request), func(payload map[string]any) {
		info := payload["git_info"].(map[string]any)
		info["ref"], info["refspecs"] = "refs/merge-requests/7/head", []any{"+refs/merge-requests/7/head:refs/remotes/origin/merge-requests/7/head"}
		info["sha"] = w.commitOf(request, "refs/merge-requests/7/head")
	})
	both := w.repository("both", "sha1", func(r workTree) {
		withModule("inner", inner)(r)
		withModule("other", history)(r)
	})
	w.play([]scenario{
		{"merge request", merge, lacks(succeeds("(ref is refs/merge-requests/7/head)", "\n0\n", ".git/refs/remotes/origin/merge-requests/7/head\n"), "origin/main\n")},
		{"submodule paths", with(of(job("ls inner", "ls -A other | wc -l"), both), "GIT_SUBMODULE_STRATEGY=normal", "GIT_SUBMODULE_PATHS=inner"), succeeds("innermost\n", "\n0\n")},
		{"depth", with(of(job("cat number", "wc -l <.git/shallow"), history), "GIT_DEPTH=1"), succeeds("git depth set to 1...", "\n2\n", "\n1\n")},
		{"whole history", with(of(job("cat number", "ls .git", showRefs), history), "GIT_DEPTH=0"), lacks(succeeds("\n2\n", "v0"), "\nshallow\n")},
		{"tag", of(job("cat number", "echo tag $CI_COMMIT_TAG"), tag), succeeds("(ref is v1)", "\n1\n", "tag v1\n")},
		{"sha256", of(job("cat number", "cat .git/HEAD"), sha256), succeeds("\n0\n", sha256.SHA+"\n")},
		{"no submodules", of(job("ls -A middle | wc -l"), outer), succeeds("\n0\n", "Skipping Git submodules setup")},
		{"submodules", with(of(job("ls -A middle", "ls -A middle/inner | wc -l"), outer), "GIT_SUBMODULE_STRATEGY=normal"), succeeds(".gitmodules\n", "\n0\n", "Updated submodules")},
		{"all submodules", with(of(job("cat middle/inner/innermost"), outer), "GIT_SUBMODULE_STRATEGY=recursive"), succeeds("innermost file\n", "recursively")},
		{"unknown submodule strategy", with(job("echo never"), "GIT_SUBMODULE_STRATEGY=all"), lacks(fails("runner_configuration_error", 0, `unknown GIT_SUBMODULE_STRATEGY "all"`), "\nnever\n")},
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
		{job("true"), 1}, // which is kept
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
// of the containers of projects that were started until then, one for each start.
func (w *world) watchStarts() (started func() []string) {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	stream := w.docker.Events(w.t.Context(), client.EventsListOptions{
		Filters: client.Filters{}.Add("label", "lced.runner="+id, "com.gitlab.gitlab-runner.project.id").Add("type", string(events.ContainerEventType)),
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
	w.play([]scenario{{"second attempt", again, succeeds("Getting sources failed", ":clear_worktree\r", "Deleting all tracked and untracked files due to source fetch failure", "a file of the repository\n", "after\n")}})
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointGit, Status: 403, Times: 2})
	w.play([]scenario{{"refused", after(job("echo never"), "echo nor this"), lacks(func(t *testing.T, e ending) {
		if e.State != coordinator.StateFailed || e.FailureReason != "script_failure" || e.ExitCode == 0 {
			t.Errorf("state %s, reason %s, exit code %d\n%s", e.State, e.FailureReason, e.ExitCode, e.log)
		}
		e.has(t, "403")
	}, "never\n", "nor this\n")}})
}
