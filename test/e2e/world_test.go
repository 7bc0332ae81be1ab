package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// patience bounds every wait of a test: not what is measured, only what ends a hang.
const patience = 4 * time.Minute

// world is one GitLab, one repository and one runner process on the real engine.
type world struct {
	t      *testing.T
	gitlab *coordinator.Server
	docker *client.Client
	dir    string // holds config.toml
	repo   coordinator.Repository
	url    string
	token  string
	slots  int // concurrent

	program string                      // other than the usual build
	wrapper []string                    // command that runs it
	args    []string                    // in place of run
	excused func(violation string) bool // what a test itself has caused; nil: nothing
	env     []string

	mu     sync.Mutex
	runner *exec.Cmd
	log    *syncBuffer // of all runner processes
	begun  int         // where the log of the current one starts
	exited chan error
}

// dockerConfig is the body of [runners.docker] and what may follow it.
type dockerConfig string

// plainConfig lets jobs use local images and have sidecars.
const plainConfig dockerConfig = `
    image = "busybox:latest"
    pull_policy = "if-not-present"
  [runners.dind]
    privileged = true
`

// newWorld starts a coordinator and a runner whose [runners.docker] is config, with four slots. files are the repository's.
func newWorld(t *testing.T, config dockerConfig, files map[string]string) *world {
	t.Helper()
	w := prepareWorld(t, files)
	w.configure(config)
	w.startRunner()
	return w
}

// newNarrowWorld is newWorld with one slot, which all of its jobs have.
func newNarrowWorld(t *testing.T, config dockerConfig, files map[string]string) *world {
	t.Helper()
	w := prepareWorld(t, files)
	w.slots = 1
	w.configure(config)
	w.startRunner()
	return w
}

// prepareWorld is newWorld without a configuration and a runner.
func prepareWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	return prepareSecureWorld(t, files, nil)
}

// prepareSecureWorld is prepareWorld with a GitLab that speaks HTTPS; its certificate is made for its address. With nil it
// speaks HTTP.
func prepareSecureWorld(t *testing.T, files map[string]string, certificate func(address net.IP) tls.Certificate) *world {
	t.Helper()
	// Containers and networks are named by the first 9 characters behind the prefix and by the job's id, which is 1 in every world.
	w := &world{t: t, docker: engine(t), dir: t.TempDir(), token: "glrt-" + strings.ToLower(rand.Text()), slots: 4}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway(t, w.docker), "0"))
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
	if certificate != nil {
		w.url = "https://" + listener.Addr().String()
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate(listener.Addr().(*net.TCPAddr).IP)}})
	}
	storage := httptest.NewUnstartedServer(nil)
	w.gitlab, err = coordinator.New(coordinator.Options{
		URL: w.url, LongPoll: 5 * time.Second, TraceInterval: time.Second, StorageURL: "http://" + w.listenTo(storage),
	})
	if err != nil {
		t.Fatal(err)
	}
	storage.Config.Handler = coordinator.ArtifactsOf(w.gitlab).Storage()
	storage.Start()
	t.Cleanup(storage.Close)
	w.gitlab.AddRunner(coordinator.Runner{Token: w.token, Tags: []string{"lced"}, RunUntagged: true})
	ctx, stop := context.WithCancelCause(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.gitlab.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop(errors.New("the test has ended"))
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	w.repo = w.makeRepository(files)
	// Written before the runner starts: test and runner would otherwise each make one.
	if _, warning := config.SystemID(w.dir); warning != nil {
		t.Fatal(warning)
	}
	t.Cleanup(w.end)
	return w
}

// listenTo gives a server an address that containers reach, and returns it.
func (w *world) listenTo(server *httptest.Server) string {
	w.t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway(w.t, w.docker), "0"))
	if err != nil {
		w.t.Fatal(err)
	}
	server.Listener.Close()
	server.Listener = listener
	return listener.Addr().String()
}

// makeRepository commits files and returns the bare snapshot that the coordinator serves.
func (w *world) makeRepository(files map[string]string) coordinator.Repository {
	w.t.Helper()
	dir := w.t.TempDir()
	w.git(dir, "init", "-q", "-b", "main")
	if files == nil {
		files = map[string]string{"README": "a file of the repository\n"}
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			w.t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") || strings.HasPrefix(text, "\x7fELF") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			w.t.Fatal(err)
		}
	}
	w.git(dir, "add", "-A")
	w.git(dir, "-c", "user.name=e2e", "-c", "user.email=e2e@example.com", "commit", "-q", "-m", "files")
	repo, err := coordinator.Snapshot(w.t.Context(), dir, filepath.Join(w.t.TempDir(), "bare"))
	if err != nil {
		w.t.Fatal(err)
	}
	repo.Path = "e2e/" + strings.ToLower(strings.ReplaceAll(w.t.Name(), "/", "-"))
	return repo
}

func (w *world) git(dir string, args ...string) {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// configure writes the configuration of newWorld.
func (w *world) configure(config dockerConfig) {
	w.t.Helper()
	w.writeConfig(fmt.Sprintf("concurrent = %d\ncheck_interval = 1\nlog_level = \"debug\"\n\n[[runners]]\n  name = \"e2e\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  [runners.docker]%s", w.slots, w.url, w.token, config))
}

func (w *world) writeConfig(text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, "config.toml"), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// startRunner starts the runner process on the world's configuration.
func (w *world) startRunner() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.log == nil {
		w.log = &syncBuffer{}
	}
	program := w.program
	if program == "" {
		program = binary(w.t)
	}
	args := w.args
	if args == nil {
		args = []string{"run"}
	}
	command := slices.Concat(w.wrapper, []string{program}, args, []string{"--config", filepath.Join(w.dir, "config.toml")})
	w.runner = exec.Command(command[0], command[1:]...)
	w.runner.Env = append(os.Environ(), w.env...)
	w.begun = len(w.log.String())
	w.runner.Stdout, w.runner.Stderr = w.log, w.log
	if err := w.runner.Start(); err != nil {
		w.t.Fatal(err)
	}
	exited, cmd := make(chan error, 1), w.runner
	w.exited = exited
	go func() { exited <- cmd.Wait() }()
}

// signal sends a signal to the runner process.
func (w *world) signal(s syscall.Signal) {
	w.t.Helper()
	if err := w.runner.Process.Signal(s); err != nil {
		w.t.Fatal(err)
	}
}

// waitExit waits for the end of the runner process and returns its exit code.
func (w *world) waitExit() int {
	w.t.Helper()
	select {
	case <-w.exited:
		code := w.runner.ProcessState.ExitCode()
		w.runner = nil
		return code
	case <-time.After(patience):
		w.t.Fatalf("the runner did not end\n%s", w.log)
		return -1
	}
}

// awaitUp waits until the runner process takes jobs, or has ended: before that it may not even know its signals, and has
// not removed what an earlier one left.
func (w *world) awaitUp() {
	w.t.Helper()
	w.awaitSaid("taking jobs")
}

// awaitSaid waits until the log of the present runner process has all of these texts, or the process has ended.
func (w *world) awaitSaid(texts ...string) {
	w.t.Helper()
	awaitSaid(w.t, func() string {
		if len(w.exited) > 0 {
			return strings.Join(texts, "\n")
		}
		return w.log.String()[w.begun:]
	}, texts...)
}

// awaitSaid waits until a log that grows has all of these texts.
func awaitSaid(t *testing.T, log func() string, texts ...string) {
	t.Helper()
	missing := slices.Clone(texts)
	for late := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		text := log()
		missing = slices.DeleteFunc(missing, func(one string) bool { return strings.Contains(text, one) })
		if len(missing) == 0 {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("the runner does not say %q\n%s", missing, text)
		}
	}
}

// drain lets the running jobs end, then the runner.
func (w *world) drain() {
	w.t.Helper()
	if w.runner == nil {
		return
	}
	w.awaitUp()
	w.signal(syscall.SIGQUIT)
	if code := w.waitExit(); code != 0 {
		w.t.Errorf("the drained runner exits with %d\n%s", code, w.log)
	}
}

// end drains and asks the two questions that every test ends with.
func (w *world) end() {
	w.drain()
	violations := w.violations()
	left := w.owned()
	if w.log != nil && (w.t.Failed() || len(violations)+len(left) > 0) {
		w.t.Logf("log of the runner:\n%s", w.log)
	}
	// Behind the log, which may be long: it is the end of an output that everybody sees.
	for _, v := range violations {
		w.t.Errorf("violation of the job API: %s", v)
	}
	for _, what := range left {
		w.t.Errorf("left on the engine: %s", what)
	}
}

// violations are those of the job API that the test itself has not caused.
func (w *world) violations() []string {
	return slices.DeleteFunc(w.gitlab.Violations(), func(v string) bool { return w.excused != nil && w.excused(v) })
}

// run submits one job and waits for its end.
func (w *world) run(spec coordinator.JobSpec) (coordinator.Job, string) {
	w.t.Helper()
	return w.await(w.submit(spec))
}

// submit hands one job to the coordinator. A job without a repository of its own gets the world's.
func (w *world) submit(spec coordinator.JobSpec) int64 {
	w.t.Helper()
	if spec.Repository.Path == "" {
		spec.Repository = w.repo
	}
	id, err := w.gitlab.Enqueue(w.t.Context(), spec)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// await waits for a job's end and returns it with its log.
func (w *world) await(id int64) (coordinator.Job, string) {
	w.t.Helper()
	return w.awaitUntil(id, func(j coordinator.Job, _ []byte) bool { return j.Ended() })
}

// awaitLog waits until the job's log, as GitLab has it, contains text.
func (w *world) awaitLog(id int64, text string) {
	w.t.Helper()
	w.awaitUntil(id, func(j coordinator.Job, log []byte) bool { return bytes.Contains(log, []byte(text)) || j.Ended() })
	if !bytes.Contains(w.gitlab.Trace(id), []byte(text)) {
		w.t.Fatalf("the job ended without %q in its log:\n%s", text, w.gitlab.Trace(id))
	}
}

func (w *world) awaitUntil(id int64, until func(coordinator.Job, []byte) bool) (coordinator.Job, string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeoutCause(w.t.Context(), patience, errors.New("the test lost patience"))
	defer cancel()
	job, err := w.gitlab.Await(ctx, id, until)
	if err != nil {
		w.t.Fatalf("waiting for job %d: %v\nlog of the job:\n%s\nlog of the runner:\n%s", id, err, w.gitlab.Trace(id), w.log)
	}
	return job, string(w.gitlab.Trace(id))
}

// syncBuffer is a buffer that a process writes while a test reads.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
