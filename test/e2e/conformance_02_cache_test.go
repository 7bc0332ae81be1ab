package e2e

import (
	"fmt"
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// cacheConfig has the volume that gitlab-runner register writes.
const cacheConfig dockerConfig = `
    image = "busybox:latest"
    pull_policy = "if-not-present"
    volumes = ["/cache"]
`

// caching adds caches to a job.
func caching(spec coordinator.JobSpec, caches ...ciyaml.Cache) coordinator.JobSpec {
	spec.Job.Caches = caches
	return spec
}

// vendor is a cache of the directory vendor.
func vendor(key string) ciyaml.Cache { return ciyaml.Cache{Key: key, Paths: []string{"vendor/"}} }

// one runs a job and checks its end.
func (w *world) one(name string, spec coordinator.JobSpec, check func(*testing.T, ending)) {
	w.t.Helper()
	j, log := w.run(spec)
	w.t.Run(name, func(t *testing.T) { check(t, ending{j, log}) })
}

// TestConformance_02_CacheStaysForTheNextJob is job-api contract 8 with a local volume.
func TestConformance_02_CacheStaysForTheNextJob(t *testing.T) {
	t.Parallel()
	w := newNarrowWorld(t, cacheConfig, nil)
	fill := `mkdir -p vendor/empty; echo "made by $CI_JOB_ID" >vendor/file; ln -s file vendor/link; chmod 750 vendor/file`
	w.one("the first finds nothing", caching(job(`[ ! -e vendor ]`, fill), vendor("$CI_JOB_NAME/deps")), succeeds(
		"section_start:", "Restoring cache", "\x1b[32;1mChecking cache for job/deps-non_protected...\x1b[0;m\n",
		"\x1b[0;33mFailed to extract cache\x1b[0;m\n", "Saving cache for successful job",
		"\x1b[32;1mCreating cache job/deps-non_protected...\x1b[0;m\n", "vendor/: found 4 matching artifact files and directories\n",
		"\x1b[32;1mCreated cache\x1b[0;m\n",
	))
	show := `stat -c '%n %A %N' vendor/* ; cat vendor/link`
	w.one("the second finds it", caching(job(show), vendor("$CI_JOB_NAME/deps")), succeeds(
		"\x1b[32;1mSuccessfully extracted cache\x1b[0;m\n", "vendor/file -rwxr-x---", "made by 1\n", "vendor/empty drwx", "vendor/link lrwx",
		"Archive is up to date!\n",
	))
	w.one("a change is saved", caching(job(`echo changed >vendor/file`), vendor("$CI_JOB_NAME/deps")), lacks(succeeds("Created cache"), "up to date"))
	w.one("without git", caching(with(job(`cat vendor/file`), "GIT_STRATEGY=none"), vendor("$CI_JOB_NAME/deps")), succeeds("Successfully extracted cache", "changed\n"))
	for _, format := range []string{"tarzstd", "zipzstd"} {
		w.one(format, caching(with(job(fill), "CACHE_COMPRESSION_FORMAT="+format), vendor(format)), succeeds("Created cache"))
		w.one(format+" again", caching(job(show), vendor(format)), succeeds("Successfully extracted cache", "vendor/file -rwxr-x---", "vendor/empty drwx", "vendor/link lrwx"))
	}
	w.one("another key", caching(job(`[ ! -e vendor ]`), vendor("other")), succeeds("Failed to extract cache", "vendor/: no matching files"))
}

// TestConformance_02_CacheKeysAndPolicies is job-api contract 8.1.
func TestConformance_02_CacheKeysAndPolicies(t *testing.T) {
	t.Parallel()
	w := newNarrowWorld(t, cacheConfig, map[string]string{"go.sum": "first"})
	put := func(text string) coordinator.JobSpec { return job(`mkdir -p vendor; echo ` + text + ` >vendor/file`) }
	get := func(want string) coordinator.JobSpec { return job(`[ "$(cat vendor/file)" = ` + want + ` ]`) }
	none := job(`[ ! -e vendor ]`)
	push, pull := vendor("main"), vendor("main")
	push.Policy, pull.Policy = "push", "$POLICY"

	w.one("push", caching(put("1"), push), succeeds("Not downloading cache main-non_protected due to policy", "Created cache"))
	w.one("pull", caching(with(job(`echo 2 >vendor/file`), "POLICY=pull"), pull), lacks(succeeds("Successfully extracted cache", "Not uploading cache main-non_protected due to policy"), "Created cache"))
	w.one("push does not pull", caching(none, push), succeeds("Not downloading cache"))
	w.one("still the first", caching(get("1"), vendor("main")), succeeds("Successfully extracted cache"))
	w.one("unknown policy", caching(with(job("true"), "POLICY=sometimes"), pull), fails("runner_configuration_error", 0, `cache policy "sometimes" is not one of pull-push, pull and push`))

	fallback := vendor("branch")
	fallback.FallbackKeys = []string{"gone", "main"}
	w.one("fallback keys", caching(get("1"), fallback), succeeds(
		"Checking cache for branch-non_protected...", "Checking cache for gone-non_protected...", "Checking cache for main-non_protected...", "Successfully extracted cache",
		"Creating cache branch-non_protected...",
	))
	w.one("fallback variable", caching(with(get("1"), "CACHE_FALLBACK_KEY=main-non_protected"), vendor("new")), succeeds("Checking cache for main-non_protected...", "Successfully extracted cache"))
	w.one("forbidden fallback", caching(with(none, "CACHE_FALLBACK_KEY=main-protected. "), vendor("newer")), succeeds("WARNING: CACHE_FALLBACK_KEY", "must not end in -protected"))

	w.one("a key cannot leave the cache", caching(put("7"), vendor("../../../%2e%2e/etc/passwd")), succeeds(
		`WARNING: cache key "../../../%2e%2e/etc/passwd-non_protected" sanitized to "etc/passwd-non_protected"`, "Created cache"))
	w.one("hashed keys", caching(with(put("8"), "FF_HASH_CACHE_KEYS=true"), vendor("../x")), lacks(succeeds("Creating cache ../x-non_protected..."), "sanitized"))
	w.one("hashed keys again", caching(with(get("8"), "FF_HASH_CACHE_KEYS=true"), vendor("../x")), succeeds("Successfully extracted cache"))
	files := ciyaml.Cache{KeyFiles: []string{"go.sum"}, KeyPrefix: "go", Paths: []string{"vendor/"}}
	w.one("key of files", caching(put("9"), files), succeeds("Creating cache go-"))
	w.one("key of files again", caching(get("9"), files), succeeds("Successfully extracted cache"))

	onFailure, always, other := vendor("f"), vendor("a"), ciyaml.Cache{Key: "o", Paths: []string{"gone"}}
	onFailure.When, always.When = "on_failure", "always"
	w.one("when the job fails", caching(job(`mkdir vendor; echo x >vendor/x; exit 3`), onFailure, always, vendor("s")), lacks(fails("script_failure", 3,
		"Saving cache for failed job", "Creating cache f-non_protected", "Creating cache a-non_protected"), "Creating cache s-", "Saving cache for successful job"))
	w.one("several caches", caching(job(`cat vendor/x`), onFailure, always, other), lacks(succeeds(
		"Checking cache for f-", "Checking cache for a-", "Checking cache for o-", "Creating cache a-", "Creating cache o-"), "Creating cache f-"))
}

// TestConformance_02_CachesOfProtectedRefsAreApart is a security boundary: what a branch that anybody may push to leaves must not reach a job
// of a protected one, whatever keys they name.
func TestConformance_02_CachesOfProtectedRefsAreApart(t *testing.T) {
	t.Parallel()
	w := newNarrowWorld(t, cacheConfig, nil)
	fill, empty := job(`mkdir vendor; echo x >vendor/x; echo x >/cache/planted`), job(`[ ! -e vendor ]`, `[ ! -e /cache/planted ]`)
	forged := patched(caching(fill, vendor("deps")), func(payload map[string]any) {
		payload["cache"].([]any)[0].(map[string]any)["key"] = "deps-protected/../deps-protected/x"
	})
	w.one("unprotected", caching(fill, vendor("deps")), succeeds("Created cache"))
	w.one("forged", forged, succeeds("Created cache"))
	protected := caching(empty, vendor("deps"))
	protected.Repository = w.repo
	protected.Repository.Protected = true
	w.one("protected", protected, succeeds("Checking cache for deps-protected...", "Failed to extract cache"))
}

// TestWhatACacheCanDo: archives lie where the job can write, and jobs are not trusted.
func TestConformance_02_HostileCaches(t *testing.T) {
	t.Parallel()
	w := newNarrowWorld(t, cacheConfig, nil)
	dir := "/cache/" + w.repo.Path
	w.one("an archive that is none", caching(job(fmt.Sprintf("mkdir -p %s/k-non_protected; echo nonsense >%s/k-non_protected/cache.zip", dir, dir)), vendor("k")), succeeds())
	w.one("is a warning", caching(job("true"), vendor("k")), succeeds("Failed to extract cache"))
	w.one("a link for an archive", caching(job(fmt.Sprintf("mkdir -p %s/l-non_protected; ln -s /usr/bin/lced-runner %s/l-non_protected/cache.zip; ln -s /usr/bin %s/m-non_protected", dir, dir, dir)), vendor("l")), succeeds())
	save := `mkdir -p vendor; date >vendor/file`
	w.one("is not followed", caching(job(save), vendor("l"), vendor("m")), succeeds("Failed to extract cache", "Created cache", "Failed to create cache"))
	w.one("and replaced", caching(job("cat vendor/file"), vendor("l")), succeeds("Successfully extracted cache"))
}

// TestConformance_02_CacheWithoutVolume: nobody should wonder for long why nothing is ever found.
func TestConformance_02_CacheWithoutVolume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	w.one("no volume", caching(job("mkdir vendor"), vendor("k")), succeeds("Created cache", `the runner has no volume for /cache; add "/cache" to volumes in [runners.docker]`))
}

// TestConformance_02_UntrackedCache also shows that the repository's own configuration, which the job may change, runs nothing in the helper.
func TestConformance_02_UntrackedCache(t *testing.T) {
	t.Parallel()
	w := newNarrowWorld(t, cacheConfig, map[string]string{".gitignore": "*.o\n", "tracked": ""})
	untracked := ciyaml.Cache{Key: "k", Untracked: true}
	script := job("touch a.o b", `printf '[core]\n\tfsmonitor = "touch /builds/pwned; false"\n\thooksPath = /builds\n' >>.git/config`)
	w.one("saved", caching(script, untracked), succeeds("untracked: found 2 files\n"))
	w.one("restored", caching(job("ls a.o b", "[ ! -e /builds/pwned ]"), untracked), succeeds("Successfully extracted cache"))
}
