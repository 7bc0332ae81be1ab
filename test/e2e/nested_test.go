package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
)

// nested is an engine of the test's own, in a container of the machine's engine: it may be killed, stopped and filled. A
// loop in the container starts it anew when it ends, unless it is held.
type nested struct {
	t         *testing.T
	docker    *client.Client
	dir       string // the same path inside: its data, its socket, and what the loop looks for
	container string
}

// newNested starts an engine with arguments of dockerd, on a disk of its own of that many MiB, and gives it images.
func newNested(t *testing.T, mib int, images []string, arguments ...string) *nested {
	t.Helper()
	engine(t)
	dir, err := os.MkdirTemp("/var/tmp", "nested") // the image has a /tmp of its own
	if err != nil {
		t.Fatal(err)
	}
	n := &nested{t: t, dir: dir}
	if err := syscall.Mount("tmpfs", n.dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Fatalf("make a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(syscall.Unmount(n.dir, syscall.MNT_DETACH), os.Remove(n.dir)); err != nil {
			t.Error(err)
		}
	})
	const loop = `cd "$0"; while :; do
if [ ! -e hold ]; then dockerd -H unix://$0/docker.sock --data-root $0/data --exec-root $0/exec -p $0/pid "$@" >>log 2>&1; fi
sleep 0.1
done`
	n.container = strings.TrimSpace(n.outer(append([]string{
		"run", "-d", "--privileged", "-v", n.dir + ":" + n.dir, "-v", "/var/lib/docker", "--entrypoint", "dind", "docker:dind",
		"sh", "-c", loop, n.dir,
	}, arguments...)...))
	t.Cleanup(func() {
		n.outer("rm", "-fv", n.container)
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(n.dir, "log"))
			t.Logf("the end of the nested engine's log:\n%s", log[max(0, len(log)-8000):])
		}
	})
	n.meet(images)
	return n
}

// meet waits until the engine answers, and gives it images of the machine's.
func (n *nested) meet(images []string) {
	n.t.Helper()
	docker, err := client.New(client.WithHost("unix://" + n.socket()))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { docker.Close() })
	n.docker = docker
	n.awaitUp()
	save := exec.Command("sh", "-c", "docker save "+strings.Join(images, " ")+" | docker -H unix://"+n.socket()+" load")
	if out, err := save.CombinedOutput(); err != nil {
		n.t.Fatalf("load images into the nested engine: %v\n%s", err, out)
	}
}

func (n *nested) socket() string { return filepath.Join(n.dir, "docker.sock") }

// outer runs the docker client on the machine's engine.
func (n *nested) outer(args ...string) string {
	n.t.Helper()
	out, err := exec.Command("docker", args...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("docker %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// awaitUp waits until the engine answers.
func (n *nested) awaitUp() {
	n.t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if _, err := n.docker.Ping(cleanupContext(), client.PingOptions{NegotiateAPIVersion: true}); err == nil {
			return
		} else if time.Now().After(late) {
			log, _ := os.ReadFile(filepath.Join(n.dir, "log"))
			n.t.Fatalf("the nested engine does not answer: %v\n%s", err, log)
		}
	}
}

// signal sends a signal to dockerd alone; its containers are left to themselves.
func (n *nested) signal(name string) {
	n.t.Helper()
	n.outer("exec", n.container, "sh", "-c", "kill -"+name+" $(cat "+filepath.Join(n.dir, "pid")+")")
}

// end ends dockerd by a signal, waits for its end, and for the next one to answer. Engines before 21 may have left a network on
// which each start crashes; broken says that its networks and containers were removed therefore.
func (n *nested) end(name string) (broken bool) {
	n.t.Helper()
	log := filepath.Join(n.dir, "log")
	before, err := os.Stat(log)
	if err != nil {
		n.t.Fatal(err)
	}
	n.outer("exec", n.container, "sh", "-c", "pid=$(cat "+filepath.Join(n.dir, "pid")+"); kill -"+name+" $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done")
	for late := time.Now().Add(patience); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		if _, err := n.docker.Ping(cleanupContext(), client.PingOptions{}); err == nil {
			return false
		}
		text, err := os.ReadFile(log)
		if err != nil {
			n.t.Fatal(err)
		}
		if strings.Count(string(text[before.Size():]), "libnetwork.(*controller).reservePools") >= 2 {
			first, _, _ := strings.Cut(string(text[before.Size():]), "panic: ")
			for line := range strings.Lines(first) {
				if strings.Contains(line, "Handler for") || strings.Contains(line, "signal") || strings.Contains(line, "shutdown") {
					n.t.Log(strings.TrimSpace(line))
				}
			}
			// With a container that lives on, it would not make its own networks anew.
			n.outer("exec", n.container, "sh", "-c", "rm -rf "+filepath.Join(n.dir, "data", "network", "files", "local-kv.db")+" "+filepath.Join(n.dir, "data", "containers")+"/*")
			n.awaitUp()
			return true
		}
	}
	n.awaitUp()
	return false
}

// liveRestore says whether containers go on without their engine from now on.
func (n *nested) liveRestore(on bool) {
	n.t.Helper()
	n.reload(fmt.Sprintf(`{"live-restore": %t}`, on), func(info system.Info) bool { return info.LiveRestoreEnabled == on })
}

// reload has the engine read another daemon.json, which shows in what it says of itself.
func (n *nested) reload(configuration string, shows func(system.Info) bool) {
	n.t.Helper()
	n.outer("exec", n.container, "sh", "-c", "mkdir -p /etc/docker; echo '"+configuration+"' >/etc/docker/daemon.json")
	n.signal("HUP")
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		res, err := n.docker.Info(n.t.Context(), client.InfoOptions{})
		if err == nil && shows(res.Info) {
			return
		}
		if time.Now().After(late) {
			n.t.Fatalf("the nested engine does not take the configuration %s: %v", configuration, err)
		}
	}
}

// hold has the engine not started anew when it ends, until release.
func (n *nested) hold() {
	n.t.Helper()
	if err := os.WriteFile(filepath.Join(n.dir, "hold"), nil, 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n *nested) release() {
	n.t.Helper()
	if err := os.Remove(filepath.Join(n.dir, "hold")); err != nil {
		n.t.Fatal(err)
	}
	n.awaitUp()
}

// on lets the world's runner use the nested engine, with more of the configuration's [lced] and [[runners]].
func (w *world) on(n *nested, lced string, config dockerConfig) {
	w.t.Helper()
	w.docker = n.docker
	body := strings.Replace(string(config), "\n", fmt.Sprintf("\n    host = %q\n", "unix://"+n.socket()), 1)
	w.writeConfig(fmt.Sprintf("concurrent = 4\ncheck_interval = 1\nlog_level = \"debug\"\n[lced]\n%s\n[[runners]]\n  name = \"e2e\"\n  url = %q\n  token = %q\n  executor = \"docker\"\n  [runners.docker]%s", lced, w.url, w.token, body))
}
