package helper

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequestTravelsAsOneLine(t *testing.T) {
	t.Parallel()
	want := &Request{
		Stage: StageGetSources, BuildsDir: "/builds", ProjectDir: "/builds/g/p", TempDir: "/builds/g/p.tmp",
		Env:           []string{"A=line\nline"},
		FileVariables: []File{{Name: "KEY", Content: []byte("\x00\xff\n")}},
		Sources:       &Sources{Strategy: StrategyFetch, Token: "secret", FetchFlags: []string{"--prune"}},
	}
	line, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsRune(line, '\n') {
		t.Errorf("more than one line: %s", line)
	}
	got, err := readRequest(bufio.NewReader(bytes.NewReader(append(line, '\n'))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnusableRequests(t *testing.T) {
	t.Parallel()
	builds := t.TempDir()
	dirs := `"builds_dir":"` + builds + `","project_dir":"` + builds + `/p","temp_dir":"` + builds + `/p.tmp"`
	sources := func(members string) string {
		return `{"stage":"get_sources",` + dirs + `,"sources":{"attempts":1,` + members + `}}`
	}
	for name, test := range map[string]struct{ line, want string }{
		"nothing":         {``, "read the line"},
		"no JSON":         {`hello`, "same version"},
		"unknown member":  {`{"stage":"prepare_script","colour":"red"}`, "colour"},
		"unknown stage":   {`{"stage":"make_tea",` + dirs + `}`, `unknown stage "make_tea"`},
		"no member":       {`{"stage":"get_sources",` + dirs + `}`, "says nothing about its stage"},
		"relative dir":    {`{"stage":"prepare_script","builds_dir":"b","project_dir":"b/p","temp_dir":"b/p.tmp","prepare":{"runner_host":"h"}}`, "absolute"},
		"project outside": {`{"stage":"prepare_script","builds_dir":"/b","project_dir":"/etc","temp_dir":"/etc.tmp","prepare":{"runner_host":"h"}}`, "GIT_CLONE_PATH"},
		"project is root": {`{"stage":"prepare_script","builds_dir":"/b","project_dir":"/b","temp_dir":"/b.tmp","prepare":{"runner_host":"h"}}`, "GIT_CLONE_PATH"},
		"strategy":        {sources(`"strategy":"steal"`), "GIT_STRATEGY"},
		"submodules":      {sources(`"strategy":"fetch","submodule_strategy":"some"`), "GIT_SUBMODULE_STRATEGY"},
		"sha":             {sources(`"strategy":"fetch","repo_url":"http://h/p.git","sha":"--upload-pack=x"`), "id of a commit"},
		"password":        {sources(`"strategy":"fetch","repo_url":"http://u:geheim@h/p.git"`), "holds a password"},
		"file variable":   {`{"stage":"prepare_script",` + dirs + `,"prepare":{"runner_host":"h"},"file_variables":[{"name":"../x","content":""}]}`, "cannot be the name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errw bytes.Buffer
			code := Stage(t.Context(), strings.NewReader(test.line+"\n"), &out, &errw, nil)
			if name == "nothing" {
				code = Stage(t.Context(), strings.NewReader(""), &out, &errw, nil)
			}
			if code != ExitBadRequest || !strings.Contains(errw.String(), test.want) {
				t.Errorf("exit code %d and %q, want %d and %q", code, errw.String(), ExitBadRequest, test.want)
			}
			if strings.Contains(errw.String(), "geheim") {
				t.Errorf("the message holds the password: %s", &errw)
			}
		})
	}
}

// TestEndOfInputKills lets git wait for a server that never answers, and closes stdin.
func TestEndOfInputKills(t *testing.T) {
	t.Parallel()
	address, asked := hangingServer(t)
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	req.Sources.RepoURL = address
	req.Sources.Attempts = 10
	line, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	in, hold := io.Pipe()
	go func() {
		hold.Write(append(line, '\n'))
		<-asked
		hold.Close()
	}()
	var out, errw bytes.Buffer
	if code := Stage(t.Context(), in, &out, &errw, cleanEnv()); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !strings.Contains(errw.String(), errStdinClosed.Error()) {
		t.Errorf("the log does not say why: %s", &errw)
	}
	if left := processesIn(t, req.ProjectDir); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

// TestEndOfInputKillsChildren does the same with a hook and its background processes.
func TestEndOfInputKillsChildren(t *testing.T) {
	t.Parallel()
	repo := newServer(t).repository(t, "group/project", "sha1")
	req := newRequest(t, repo, repo.commit("a.txt", "one"))
	req.Sources.PostHooks = []string{"sleep 1000 & (sleep 1000; true) & echo waiting; wait"}
	line, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	in, hold := io.Pipe()
	logRead, logWrite := io.Pipe()
	go func() {
		hold.Write(append(line, '\n'))
		for lines := bufio.NewScanner(logRead); lines.Scan(); {
			if lines.Text() == "waiting" {
				hold.Close()
			}
		}
	}()
	if code := Stage(t.Context(), in, logWrite, io.Discard, cleanEnv()); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	logWrite.Close()
	if left := processesIn(t, req.ProjectDir); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

// processesIn lists the command lines of living processes that work in dir.
func processesIn(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, link := range links {
		cwd, err := os.Readlink(link)
		status, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "stat"))
		if err == nil && strings.HasPrefix(cwd, dir) && !dying(filepath.Base(filepath.Dir(link))) {
			found = append(found, string(status))
		}
	}
	return found
}

// dying says whether a process has a SIGKILL that it has not yet obeyed, or has obeyed.
func dying(pid string) bool {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "SigPnd" || name == "ShdPnd" {
			mask, _ := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			if mask&(1<<(uint(syscall.SIGKILL)-1)) != 0 {
				return true
			}
		}
		if name == "State" && strings.ContainsAny(strings.TrimSpace(value)[:1], "ZX") {
			return true
		}
	}
	return false
}

// TestStageWaitsForThePredecessor holds the lock in another process, as a command of a killed stage does.
func TestStageWaitsForThePredecessor(t *testing.T) {
	t.Parallel()
	builds := t.TempDir()
	req := &Request{
		Stage: StagePrepare, BuildsDir: builds, ProjectDir: builds + "/p", TempDir: builds + "/p.tmp",
		Prepare: &Prepare{RunnerHost: "board"},
	}
	mustRun(t, req)
	lock, err := lockStage(t.Context(), req.TempDir, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	holder := exec.Command("cat")
	holder.ExtraFiles = []*os.File{lock}
	release, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	lock.Close() // the stage dies without unlocking

	line, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	logRead, logWrite := io.Pipe()
	held, hold := io.Pipe()
	defer hold.Close()
	done := make(chan int, 1)
	go func() {
		done <- Stage(t.Context(), io.MultiReader(bytes.NewReader(append(line, '\n')), held), logWrite, io.Discard, nil)
		logWrite.Close()
	}()
	lines := bufio.NewScanner(logRead)
	if !lines.Scan() || !strings.Contains(lines.Text(), "Waiting for an earlier stage") {
		t.Errorf("first line %q", lines.Text())
	}
	release.Close()
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "Running on ") {
		t.Errorf("second line %q", lines.Text())
	}
	if code := <-done; code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	killed := exec.Command("sh", "-c", "kill -9 $$").Run()
	for _, test := range []struct {
		err  error
		want int
	}{{nil, 0}, {exec.Command("sh", "-c", "exit 128").Run(), 128}, {killed, 137}, {errors.New("x"), 1}, {errBadRequest, ExitBadRequest}} {
		if got := exitCode(test.err, io.Discard); got != test.want {
			t.Errorf("%v gives %d, want %d", test.err, got, test.want)
		}
	}
}
