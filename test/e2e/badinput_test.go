package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is the user id of who may do nothing.
const nobody = 65534

// attempt is one start of the runner that is not to get far.
type attempt struct {
	dir    string // holds config.toml
	config string
	asUser uint32 // 0 is root
}

// command makes the runner's process; its configuration belongs to its user.
func (a attempt) command(t *testing.T) *exec.Cmd {
	t.Helper()
	path := binary(t)
	if a.asUser != 0 {
		if os.Getuid() != 0 {
			t.Skip("only root can start a process of another user")
		}
		// Both lie in directories that only their maker may enter.
		for _, dir := range []string{filepath.Dir(path), filepath.Dir(a.dir)} {
			if err := os.Chmod(dir, 0o711); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := filepath.Join(a.dir, "config.toml")
	if err := os.WriteFile(file, []byte(a.config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "run", "--config", file)
	if a.asUser != 0 {
		for _, p := range []string{a.dir, file} {
			if err := os.Chown(p, int(a.asUser), -1); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: a.asUser, Gid: a.asUser}}
	}
	return cmd
}

// onEngine is a configuration for an engine.
func onEngine(host string) string {
	return fmt.Sprintf("concurrent = 1\n[[runners]]\n  name = \"bad\"\n  url = \"http://127.0.0.1:1\"\n  token = \"glrt-badinput00000000000\"\n  executor = \"docker\"\n  [runners.docker]\n    image = \"busybox\"\n    host = %q\n", host)
}

// ancientEngine answers as Docker 1.12 does, on a unix socket.
func ancientEngine(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.24")
		w.Header().Set("OSType", "linux")
		if !strings.HasSuffix(r.URL.Path, "/_ping") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintln(w, `{"message":"client is newer than server (server API version: 1.24)"}`)
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-served })
	return "unix://" + path
}

// forbiddenSocket is a socket that only root may use.
func forbiddenSocket(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "docker.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return "unix://" + path
}

// TestCannotStart shows that a runner which cannot start says why and what to do, in its last line, and exits with 1.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	good := onEngine("unix:///var/run/docker.sock")
	notASocket := filepath.Join(t.TempDir(), "docker.sock")
	if err := os.WriteFile(notASocket, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		config string
		asUser uint32
		wants  []string
	}{
		{"malformed", strings.Replace(good, "name = ", "name == ", 1), 0, []string{"config.toml:3:"}},
		{"wrong type", strings.Replace(good, "concurrent = 1", "concurrent = \"many\"", 1), 0, []string{"config.toml:1: concurrent"}},
		{"wrong value", strings.Replace(good, "concurrent = 1", "concurrent = 0", 1), 0, []string{"config.toml:1: concurrent"}},
		{"no engine", onEngine("unix:///nonexistent/docker.sock"), 0, []string{"no docker engine at unix:///nonexistent/docker.sock", "start docker, or mount the socket"}},
		{"engine that is not there", onEngine("tcp://127.0.0.1:1"), 0, []string{"the docker engine at tcp://127.0.0.1:1 does not answer", "check that dockerd runs there"}},
		{"socket that nobody serves", onEngine("unix://" + notASocket), 0, []string{notASocket, "check that dockerd runs there"}},
		{"engine too old", onEngine(ancientEngine(t)), 0, []string{"is of a version that this runner cannot speak to", "or newer is needed"}},
		{"engine without permission", onEngine(forbiddenSocket(t)), nobody, []string{"no permission to use the docker engine's socket", "run as root, or add this user"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := attempt{t.TempDir(), tt.config, tt.asUser}.command(t)
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != 1 {
				t.Errorf("exit code %d (%v), want 1", code, err)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			for _, want := range tt.wants {
				if last := lines[len(lines)-1]; !strings.Contains(last, want) {
					t.Errorf("the last line lacks %q:\n%s", want, out)
				}
			}
		})
	}
}

// TestSecondRunner starts a second runner with the same configuration.
func TestSecondRunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	w.awaitUp()
	out, err := exec.Command(binary(t), "run", "--config", filepath.Join(w.dir, "config.toml")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another lced-runner already runs with this configuration") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestWrongToken is about a token that GitLab does not know: the runner says so, and stays for a better one.
func TestWrongToken(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	const wrong = "glrt-nobodyknowsthistoken"
	good := w.token
	w.token = wrong
	w.configure(plainConfig)
	w.startRunner()
	w.awaitSaid("the runner token is not valid (any more): create a runner in GitLab", "runner pauses")
	if strings.Contains(w.log.String(), wrong) {
		t.Errorf("the output shows the token:\n%s", w.log)
	}
	w.token = good
	w.configure(plainConfig)
	j, log := w.run(job("true"))
	wantSuccess(t, j, log)
}

// TestUnreachableGitLab shows that a GitLab which does not answer is no reason to give up.
func TestUnreachableGitLab(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	cmd := attempt{dir: w.dir, config: onEngine("")}.command(t)
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var told, tries int
	var seen strings.Builder
	for lines := bufio.NewScanner(output); lines.Scan(); {
		fmt.Fprintln(&seen, lines.Text())
		switch {
		case strings.Contains(lines.Text(), "GitLab does not answer; trying again while running"):
			told++
		case strings.Contains(lines.Text(), "cannot take jobs right now"):
			if !strings.Contains(lines.Text(), "connection refused") || !strings.Contains(lines.Text(), "next_try_in=") {
				t.Errorf("a failed try does not say why and when the next is: %s", lines.Text())
			}
			if tries++; tries == 2 {
				if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the drained runner ends with %v", err)
	}
	if told != 1 || tries < 2 {
		t.Errorf("it told %d times that GitLab does not answer, and tried %d times:\n%s", told, tries, &seen)
	}
}
