package executor

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shellsHere are the shells of this machine that images have, too.
func shellsHere(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for name, command := range map[string][]string{"dash": {"dash"}, "bash": {"bash"}, "busybox": {"busybox", "sh"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("%s is not installed: not tested", name)
			continue
		}
		found[name] = command
	}
	if len(found) == 0 {
		found["sh"] = []string{"sh"}
	}
	return found
}

// feed runs a shell with text on its stdin, in dir. What it says on stderr is not kept.
func feed(t *testing.T, shell []string, dir, text string) (m *marks, output string, exit int) {
	t.Helper()
	var out bytes.Buffer
	m = newMarks(&out, testNonce)
	cmd := exec.Command(shell[0], shell[1:]...)
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(text)
	cmd.Stdout = m
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	err := cmd.Run()
	if exited, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	} else if ok {
		exit = exited.ExitCode()
	}
	if err := m.flush(); err != nil {
		t.Fatal(err)
	}
	return m, out.String(), exit
}

const testNonce = "NONCE7NONCE7NONCE7NONCE7NO"

// TestCutScript cuts the text for the shell's stdin at every byte. A shell that lacks but one byte must run nothing of the
// user's, and must not look as if it had: neither by a start line nor by exit code 0 with an end line.
func TestCutScript(t *testing.T) {
	t.Parallel()
	for name, shell := range shellsHere(t) {
		for _, held := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, held %v", name, held), func(t *testing.T) {
				t.Parallel()
				cutScript(t, shell, wrap(testNonce, "running", "CI_JOB_STATUS", ": >ran\necho \"it's\" }\n", held))
			})
		}
	}
}

func cutScript(t *testing.T, shell []string, text string) {
	whole := len(text) - 1 // the last byte is a line end, which a shell does not need
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	for cut := range whole {
		m, output, exit := feed(t, shell, dir, text[:cut])
		if m.started || m.ended {
			t.Errorf("cut at byte %d of %d: started %v, ended %v with %d, exit code %d, output %q", cut, len(text), m.started, m.ended, m.code, exit, output)
		}
		if _, err := os.Stat(ran); err == nil {
			t.Fatalf("cut at byte %d of %d, after %q: a line of the user's ran", cut, len(text), text[max(0, cut-30):cut])
		}
	}
	for _, complete := range []string{text[:whole], text} {
		m, output, exit := feed(t, shell, dir, complete)
		if !m.started || !m.ended || m.code != 0 || exit != 0 || output != "it's }\n" {
			t.Errorf("whole: started %v, ended %v with %d, exit code %d, output %q", m.started, m.ended, m.code, exit, output)
		}
		if err := os.Remove(ran); err != nil {
			t.Errorf("the script did not run: %v", err)
		}
	}
}

func TestWrappedScript(t *testing.T) {
	t.Parallel()
	const any = -1 // syntax errors: each shell has its own code
	for name, shell := range shellsHere(t) {
		pipefail := 0
		if err := exec.Command(shell[0], append(shell[1:], "-c", "set -o pipefail")...).Run(); err == nil {
			pipefail = 1
		}
		for _, test := range []struct {
			name, script string
			code         int
			output       string
		}{
			{"empty", "", 0, ""},
			{"success", "echo one\necho two", 0, "one\ntwo\n"},
			{"first failure ends it", "echo one\nfalse\necho two", 1, "one\n"},
			{"code of the failure", "(exit 42)\necho two", 42, ""},
			{"highest code", "exit 255", 255, ""},
			{"exit", "exit 7\necho two", 7, ""},
			{"exit 0 is success", "exit 0\necho two", 0, ""},
			{"exec", "exec sh -c 'echo sub; exit 5'\necho two", 5, "sub\n"},
			{"exec that succeeds", "exec true\necho two", 0, ""},
			{"errexit can be switched off", "set +e\nfalse\necho two", 0, "two\n"},
			{"pipe", "false | true\necho two", pipefail, map[int]string{0: "two\n"}[pipefail]},
			{"syntax error", "echo 'one", any, ""},
			{"unbalanced parenthesis", ")\necho two", any, ""},
			{"stray brace", "}\necho two", any, ""},
			{"stdin is empty", "cat\necho two", 0, "two\n"},
			{"status", `echo "$CI_JOB_STATUS"`, 0, "failed\n"},
			{"trap", "trap 'echo bye' EXIT\nexit 3", 3, "bye\n"},
			{"noclobber is off", "echo a >f\necho b >f\ncat f", 0, "b\n"},
			{"here document", "cat <<'EOF'\n$HOME 'x'\nEOF\n", 0, "$HOME 'x'\n"},
			{"no line end", "printf one", 0, "one"},
			{"0x1e in the output", `printf '\036NONCE7\036\n'`, 0, "\x1eNONCE7\x1e\n"},
			{"killed", "kill -9 $(exec sh -c 'echo $PPID')\necho two", 137, ""},
		} {
			t.Run(name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				m, output, exit := feed(t, shell, t.TempDir(), wrap(testNonce, "failed", "CI_JOB_STATUS", test.script, false))
				if !m.started || !m.ended {
					t.Fatalf("started %v, ended %v, exit code %d, output %q", m.started, m.ended, exit, output)
				}
				if m.code != exit {
					t.Errorf("end line says %d, the shell exits with %d", m.code, exit)
				}
				if test.code == any && exit != 0 {
					return
				}
				if exit != test.code || output != test.output && test.code != 137 {
					t.Errorf("exit code %d, want %d; output %q, want %q", exit, test.code, output, test.output)
				}
			})
		}
	}
}

// TestKilledShell kills the outer shell itself, which a script can: it is its parent.
func TestKilledShell(t *testing.T) {
	t.Parallel()
	for name, shell := range shellsHere(t) {
		m, _, exit := feed(t, shell, t.TempDir(), wrap(testNonce, "running", "", "kill -9 $$", false))
		if !m.started || m.ended || exit == 0 {
			t.Errorf("%s: started %v, ended %v, exit code %d; want a start line only", name, m.started, m.ended, exit)
		}
	}
}

// TestShellDetection runs what the build container runs.
func TestShellDetection(t *testing.T) {
	t.Parallel()
	m, output, exit := feed(t, []string{"sh", "-c", shellDetection}, t.TempDir(), wrap(testNonce, "running", "", "echo $((1+1))\nexit 3", false))
	if !m.ended || m.code != 3 || exit != 3 || output != "2\n" {
		t.Errorf("ended %v with %d, exit code %d, output %q", m.ended, m.code, exit, output)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	every := make([]byte, 0, 255)
	for b := 1; b < 256; b++ {
		every = append(every, byte(b))
	}
	tests := []string{"", "plain", "it's", "'", "''", `\`, `\'`, "$HOME `id` $(id)", "a\nb\n", "-n", "%s", "\x1e", string(every)}
	const risky = "'\"\\$` \n!*~#-"
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		text := make([]byte, random.IntN(40))
		for i := range text {
			text[i] = risky[random.IntN(len(risky))]
		}
		tests = append(tests, string(text))
	}
	for name, shell := range shellsHere(t) {
		for _, want := range tests {
			got, err := exec.Command(shell[0], append(shell[1:], "-c", "printf %s "+Quote(want))...).Output()
			if err != nil || string(got) != want {
				t.Errorf("%s: %q came back as %q (%v)", name, want, got, err)
			}
		}
	}
	if got := Quote("a\x00b"); got != "'ab'" {
		t.Errorf("NUL, which no shell can hold: %q", got)
	}
}

// passed gives the marks and the output for data that arrives in pieces of the sizes that cuts holds, over and over.
func passed(t testing.TB, data []byte, cuts []byte) (*marks, string) {
	t.Helper()
	var out bytes.Buffer
	m := newMarks(&out, testNonce)
	for i := 0; len(data) > 0; i++ {
		n := len(data)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		if wrote, err := m.Write(data[:n]); wrote != n || err != nil {
			t.Fatalf("wrote %d of %d bytes: %v", wrote, n, err)
		}
		data = data[n:]
	}
	if err := m.flush(); err != nil {
		t.Fatal(err)
	}
	return m, out.String()
}

func TestMarks(t *testing.T) {
	t.Parallel()
	const start, end = "\x1e" + testNonce + "+\n", "\x1e" + testNonce + "-"
	for _, test := range []struct {
		name, in, out  string
		started, ended bool
		code           int
	}{
		{name: "nothing"},
		{name: "no marks", in: "hello\n", out: "hello\n"},
		{name: "start only", in: start, started: true},
		{name: "both", in: start + "hello\n" + end + "0\n", out: "hello\n", started: true, ended: true},
		{name: "code", in: start + end + "137\n", started: true, ended: true, code: 137},
		{name: "in the middle of a line", in: "a" + start + "b" + end + "2\nc", out: "abc", started: true, ended: true, code: 2},
		{name: "other nonce", in: "\x1eOTHER+\n", out: "\x1eOTHER+\n"},
		{name: "half a nonce", in: start[:10] + "\n", out: start[:10] + "\n"},
		{name: "half a nonce at the end", in: start[:10], out: start[:10]},
		{name: "mark without its line end", in: end + "0", out: end + "0"},
		{name: "mark after a lone 0x1e", in: "\x1e\x1e" + start, out: "\x1e\x1e", started: true},
		{name: "mark inside of half a mark", in: start[:10] + start, out: start[:10], started: true},
		{name: "no code", in: end + "\n", out: end + "\n"},
		{name: "no number", in: end + "x\n", out: end + "x\n"},
		{name: "negative", in: end + "-1\n", out: end + "-1\n"},
		{name: "sign", in: end + "+1\n", out: end + "+1\n"},
		{name: "too large", in: end + "256\n", out: end + "256\n"},
		{name: "too long", in: end + "0000\n", out: end + "0000\n"},
		{name: "bytes that are no UTF-8", in: "\xff\x00\x1e\xfe" + start + "\xff", out: "\xff\x00\x1e\xfe\xff", started: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, cuts := range [][]byte{nil, {0}, {1}, {2, 0, 6}, {27}, {28}} {
				m, out := passed(t, []byte(test.in), cuts)
				if out != test.out || m.started != test.started || m.ended != test.ended || m.code != test.code {
					t.Errorf("cuts %v: output %q, started %v, ended %v with %d", cuts, out, m.started, m.ended, m.code)
				}
			}
		})
	}
}

// FuzzMarks checks that the way in which output is cut into pieces changes nothing, and that output without the nonce
// passes byte for byte.
func FuzzMarks(f *testing.F) {
	f.Add([]byte("\x1e"+testNonce+"+\nhello\x1e"+testNonce[:5]+"\x1e"+testNonce+"-12\n"), []byte{0})
	f.Add([]byte("\x1e\x1e"+testNonce+"-1234567\n"), []byte{3, 0})
	f.Add([]byte(fmt.Sprintf("a\x1e%s-+5\n", testNonce)), []byte{30})
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		whole, want := passed(t, data, nil)
		pieces, got := passed(t, data, cuts)
		if got != want || pieces.started != whole.started || pieces.ended != whole.ended || pieces.code != whole.code {
			t.Errorf("in pieces %q %v %v %d, whole %q %v %v %d", got, pieces.started, pieces.ended, pieces.code, want, whole.started, whole.ended, whole.code)
		}
		if !bytes.Contains(data, []byte(testNonce)) && want != string(data) {
			t.Errorf("%q became %q", data, want)
		}
	})
}
