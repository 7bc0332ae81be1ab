package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// TestArm64 has the runner, its helper and a job run as arm64 programs, on another machine by emulation.
func TestArm64(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	busybox := filepath.Join("..", "..", ".cache", "busybox-arm64")
	_, err := os.Stat(busybox)
	if runtime.GOARCH != "arm64" && err == nil {
		_, err = os.Stat("/proc/sys/fs/binfmt_misc/qemu-aarch64")
	}
	if err != nil {
		required(t, "no arm64 programs can run: run test/arm64/prepare.sh")
	}
	files := map[string]string{"bin/busybox": busybox, "usr/bin/lced-runner": goProgram(t, "lced-runner/cmd/lced-runner", "arm64")}
	image := w.loaded("arm64", files, []string{"sh", "uname", "cat", "mkdir", "chmod", "id"}, imageSettings{
		Entrypoint: []string{"/usr/bin/lced-runner"}, Env: []string{"PATH=/usr/bin:/bin"}, Labels: map[string]string{"lced.runner.image": "1"},
	})
	w.moveTo(t.TempDir())
	w.configure(plainConfig)
	id := strings.TrimSpace(command(t, "", "docker", "run", "-d", "--platform", "linux/arm64",
		"-v", w.dir+":/etc/gitlab-runner", "-v", "/var/run/docker.sock:/var/run/docker.sock", image, "run"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the runner:\n%s", command(t, "", "docker", "logs", id))
		}
		command(t, "", "docker", "rm", "-f", "-v", id)
	})
	spec := job("uname -m", "uname -m >machine.txt")
	spec.Job.Image = &ciyaml.Image{Name: image, Entrypoint: []string{""}}
	spec.Job.Variables = []ciyaml.Variable{{Name: "GIT_STRATEGY", Value: "none"}}
	spec.Repository = coordinator.Repository{}
	spec.Job.Artifacts = &ciyaml.Artifacts{Paths: []string{"machine.txt"}}
	j, log := w.run(spec)
	wantSuccess(t, j, log, "\naarch64\n", "machine.txt: found 1 matching")
	command(t, "", "docker", "stop", "--time", "60", id)
	if s := w.inspect(id).State; s.ExitCode != 0 {
		t.Errorf("the stopped runner's exit code is %d", s.ExitCode)
	}
}

// TestWrongArchitecture is about an image for a processor that this machine neither has nor emulates: the job says so in one
// sentence.
func TestWrongArchitecture(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	program := filepath.Join(t.TempDir(), "sh")
	if err := os.WriteFile(program, append([]byte("\x7fELF"), make([]byte, 200)...), 0o755); err != nil {
		t.Fatal(err)
	}
	image := w.loaded("s390x", map[string]string{"bin/sh": program}, nil, imageSettings{})
	alien := job("true")
	alien.Job.Image = &ciyaml.Image{Name: image}
	j, log := w.run(alien)
	if j.State != coordinator.StateFailed || !strings.Contains(log, image+" is for linux/s390x only, and this board is linux/") || !strings.Contains(log, "install binfmt emulation on the board") {
		t.Errorf("%s %s\n%s", j.State, j.FailureReason, log)
	}
}

// goProgram compiles a program for another architecture.
func goProgram(t *testing.T, pkg, arch string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", path, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// imageSettings are the part of an image's configuration that is not about its files.
type imageSettings struct {
	Entrypoint []string          `json:",omitempty"`
	Env        []string          `json:",omitempty"`
	Labels     map[string]string `json:",omitempty"`
}

// loaded makes an image for another architecture from files, without running anything of it; links are names that lead to
// busybox. It goes by docker load, since docker import takes the engine's own architecture.
func (w *world) loaded(arch string, files map[string]string, links []string, settings imageSettings) string {
	w.t.Helper()
	layer := newArchive(w.t)
	layer.add(tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777}, nil)
	for name, path := range files {
		layer.add(tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755}, []byte(readFile(w.t, path)))
	}
	for _, link := range links {
		layer.add(tar.Header{Name: "bin/" + link, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, nil)
	}
	content := layer.bytes()
	name := "lced-test/loaded:" + strings.ToLower(rand.Text())
	image := newArchive(w.t)
	image.json("config.json", map[string]any{
		"architecture": arch, "os": "linux", "config": settings,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(content))}},
	})
	image.json("manifest.json", []any{map[string]any{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}}})
	image.add(tar.Header{Name: "layer.tar", Typeflag: tar.TypeReg, Mode: 0o644}, content)
	cmd := exec.Command("docker", "load")
	cmd.Stdin = bytes.NewReader(image.bytes())
	if text, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("docker load: %v\n%s", err, text)
	}
	w.t.Cleanup(func() {
		if _, err := w.docker.ImageRemove(cleanupContext(), name, client.ImageRemoveOptions{Force: true}); err != nil {
			w.t.Error(err)
		}
	})
	return name
}

// archive is a tar archive in memory.
type archive struct {
	t   *testing.T
	buf *bytes.Buffer
	tar *tar.Writer
}

func newArchive(t *testing.T) *archive {
	buf := &bytes.Buffer{}
	return &archive{t, buf, tar.NewWriter(buf)}
}

func (a *archive) add(h tar.Header, content []byte) {
	a.t.Helper()
	h.Size = int64(len(content))
	err := a.tar.WriteHeader(&h)
	if err == nil {
		_, err = a.tar.Write(content)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *archive) json(name string, value any) {
	a.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		a.t.Fatal(err)
	}
	a.add(tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, text)
}

func (a *archive) bytes() []byte {
	a.t.Helper()
	if err := a.tar.Close(); err != nil {
		a.t.Fatal(err)
	}
	return a.buf.Bytes()
}
