package executor

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
)

// shellDetection is what the build container runs: the first shell of the image, bash preferred, reading its script from
// stdin (docker-executor contract 2.4).
const shellDetection = `for s in /usr/local/bin/bash /usr/bin/bash /bin/bash /usr/local/bin/sh /usr/bin/sh /bin/sh /busybox/sh; do
	if [ -x "$s" ]; then exec "$s"; fi
done
echo shell not found
exit 1`

// newNonce is unguessable, so that no program of a job can print a line that means the end of its script.
func newNonce() string { return rand.Text() }

// wrap makes the text for the shell's stdin. It is one compound command: a shell that is cut off while it reads runs
// nothing of it. Its first act prints the nonce, its last the nonce and the exit code; [marks] finds both. The commands
// read from /dev/null, so they cannot eat the script. A shell that is to be held does not end with the script, but with its stdin.
func wrap(nonce, status, statusVariable, body string, held bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{ printf '\\036%%s+\\n' %s\n(\n", nonce)
	b.WriteString("trap 'exit 1' TERM\n")
	if statusVariable != "" {
		fmt.Fprintf(&b, "export %s=%s\n", statusVariable, Quote(status))
	}
	b.WriteString(`case "$(set -o)" in *pipefail*) set -o pipefail ;; esac` + "\n")
	b.WriteString("set -o errexit\nset +o noclobber\neval " + Quote(body) + "\n) </dev/null\n")
	fmt.Fprintf(&b, "lced_exit=$?\nprintf '\\036%%s-%%d\\n' %s \"$lced_exit\"\n", nonce)
	if held {
		b.WriteString("read -r lced_held || :\n")
	}
	b.WriteString("exit \"$lced_exit\"\n}\n")
	return b.String()
}

// Quote makes one word of POSIX shell that means s to the byte; a shell cannot hold NUL, so it is left out.
func Quote(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "'", `'\''`) + "'"
}

// marks is a writer that strips a script's start and end lines from its stdout and remembers them.
type marks struct {
	out     io.Writer
	mark    []byte // the byte 0x1e and the nonce
	pending []byte // what may be the beginning of a line of ours
	started bool
	begun   func()        // called when started becomes true, if it is set
	seen    chan struct{} // closed then
	ended   bool
	code    int
	over    chan struct{} // closed when ended is set

	stopped atomic.Bool // the script is to be interrupted
	inTime  bool        // ended was set before that
}

func newMarks(out io.Writer, nonce string) *marks {
	return &marks{out: out, mark: append([]byte{0x1e}, nonce...), seen: make(chan struct{}), over: make(chan struct{})}
}

func (m *marks) Write(p []byte) (int, error) {
	n := len(p)
	if len(m.pending) == 0 && bytes.IndexByte(p, 0x1e) < 0 {
		return m.out.Write(p)
	}
	buf := append(m.pending, p...)
	m.pending = nil
	for len(buf) > 0 {
		i := bytes.IndexByte(buf, 0x1e)
		if i < 0 {
			i = len(buf)
		}
		if i > 0 {
			if _, err := m.out.Write(buf[:i]); err != nil {
				return n, err
			}
			buf = buf[i:]
			continue
		}
		used, whole := m.take(buf)
		if !whole {
			m.pending = bytes.Clone(buf)
			break
		}
		if used == 0 { // a 0x1e of the job's own
			used = 1
			if _, err := m.out.Write(buf[:1]); err != nil {
				return n, err
			}
		}
		buf = buf[used:]
	}
	return n, nil
}

// take looks for one of our lines at the beginning of buf, which starts with 0x1e: how many bytes it has (0 = none), and
// whether buf was long enough to tell.
func (m *marks) take(buf []byte) (used int, whole bool) {
	k := min(len(buf), len(m.mark))
	if !bytes.Equal(buf[:k], m.mark[:k]) {
		return 0, true
	}
	if k < len(m.mark) {
		return 0, false
	}
	line, _, found := bytes.Cut(buf[k:], []byte("\n"))
	switch text := string(line); {
	case len(line) > len("-255"):
		return 0, true
	case !found:
		return 0, false
	case text == "+":
		if m.started {
			break // an earlier process saw it
		}
		m.started = true
		close(m.seen)
		if m.begun != nil {
			m.begun()
		}
	case strings.HasPrefix(text, "-"):
		code, err := strconv.ParseUint(text[1:], 10, 8)
		if err != nil || m.ended {
			return 0, true
		}
		m.ended, m.inTime, m.code = true, !m.stopped.Load(), int(code)
		close(m.over)
	default:
		return 0, true
	}
	return k + len(line) + 1, true
}

// flush writes out what was held back, at the end of the stream.
func (m *marks) flush() error {
	if len(m.pending) == 0 {
		return nil
	}
	_, err := m.out.Write(m.pending)
	m.pending = nil
	return err
}
