package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lced-runner/internal/coordinator"
)

// TestReload starts the runner without a configuration and changes that step by step, while a job runs that must not notice.
func TestReload(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	signs := t.TempDir()
	other := "glrt-" + strings.ToLower(t.Name()) + w.token[len("glrt-"):]
	w.gitlab.AddRunner(coordinator.Runner{Token: other, Tags: []string{"other"}})
	entry := func(name, token, which string) string {
		return fmt.Sprintf("[[runners]]\n  name = %q\n  url = %q\n  token = %q\n  executor = \"docker\"\n  environment = [\"WHICH=%s\"]\n  [runners.docker]%s    volumes = [\"%s:/signs\"]\n",
			name, w.url, token, which, strings.Replace(string(plainConfig), "  [runners.dind]\n    privileged = true\n", "", 1), signs)
	}
	global := func(concurrent int) string { return fmt.Sprintf("concurrent = %d\ncheck_interval = 1\n", concurrent) }

	w.startRunner()
	w.awaitSaid("waiting for a configuration")
	w.writeConfig(global(1))
	w.awaitUp()
	w.writeConfig(global(1) + entry("e2e", w.token, "old"))
	long := w.submit(job(`echo "began with $WHICH"`, "until [ -e /signs/go ]; do sleep 0.2; done", `echo "ends with $WHICH"`))
	w.awaitLog(long, "\nbegan with old\n")

	w.writeConfig(strings.Replace(global(7)+entry("e2e", w.token, "broken"), "url =", "url ==", 1))
	w.awaitSaid("the new configuration is refused, the old one stays", "config.toml:5:")

	// More slots, another setting, another runner: in use although the one job of before still runs.
	w.writeConfig(global(2) + entry("e2e", w.token, "new") + entry("other", other, "other"))
	j, log := w.run(job(`echo "second with $WHICH"`))
	wantSuccess(t, j, log, "\nsecond with new\n")
	tagged := job(`echo "third with $WHICH"`)
	tagged.Job.Tags = []string{"other"}
	j, log = w.run(tagged)
	wantSuccess(t, j, log, "\nthird with other\n")

	// The runner of the long job leaves the configuration.
	w.writeConfig(global(1) + entry("other", other, "other"))
	w.signal(syscall.SIGHUP)
	w.awaitSaid("SIGHUP: reading the configuration again", "runner is not in the configuration any more; its jobs run to their end")
	if err := os.WriteFile(filepath.Join(signs, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	j, log = w.await(long)
	wantSuccess(t, j, log, "\nbegan with old\n", "\nends with old\n")
}
