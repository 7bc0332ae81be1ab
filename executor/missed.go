package executor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// counted counts what goes through.
type counted struct {
	to  io.Writer
	n   *int64
	err error // of to
}

func (c *counted) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	n, err := c.to.Write(p)
	if err != nil {
		c.err = err
	}
	return n, err
}

// rejoin gives what was not read yet of the container's output, from the engine's log, until the container's end.
func (s *shell) rejoin(ctx context.Context, a *armed) error {
	defer expectStart(ctx, s, a)()
	lost, err := onEngine(ctx, s.on.docker, a.lost)
	if err != nil {
		return err
	}
	logs, err := s.on.docker.ContainerLogs(ctx, s.id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true, Timestamps: true})
	switch {
	case errdefs.IsNotFound(err), errdefs.IsConflict(err): // it is gone, or going
		return removed(s.name)
	case err != nil:
		return fmt.Errorf("read the log of container %s: %w", s.name, err)
	}
	defer logs.Close()
	out := &missed{counted: a.in[0], skip: s.read[0] - s.gone[0], gone: &s.gone[0], lost: lost}
	errw := &missed{counted: a.in[1], skip: s.read[1] - s.gone[1], gone: &s.gone[1], lost: lost}
	_, err = stdcopy.StdCopy(out, errw, logs)
	a.cut = time.Now()
	if err != nil {
		return fmt.Errorf("read the log of container %s: %w", s.name, err)
	}
	return context.Cause(ctx)
}

// missed passes on one stream of the engine's log, a line with its time in each write, but for what was read before.
type missed struct {
	*counted
	skip int64
	gone *int64    // what was read and is not in the log, in bytes
	lost time.Time // what the engine wrote after it was away was read by nobody, whatever skip says; zero = it was not away
}

func (m *missed) Write(line []byte) (int, error) {
	stamp, text, found := bytes.Cut(line, []byte(" "))
	if !found {
		return 0, fmt.Errorf("a line of the engine's log has no time: %q", line)
	}
	if m.skip > 0 && !m.lost.IsZero() {
		// What an engine had read and not yet written when it ended is in no log, so a count would leave out too much.
		if at, err := time.Parse(time.RFC3339Nano, string(stamp)); err == nil && at.After(m.lost) {
			*m.gone += m.skip
			m.skip = 0
		}
	}
	had := min(m.skip, int64(len(text)))
	m.skip -= had
	if int64(len(text)) > had {
		if _, err := m.counted.Write(text[had:]); err != nil {
			return 0, err
		}
	}
	return len(line), nil
}

// onEngine is a moment that this process knows, by the engine's clock: that may be another machine's, and this one's may have been
// set meanwhile. Zero stays zero.
func onEngine(ctx context.Context, docker *client.Client, moment time.Time) (time.Time, error) {
	if moment.IsZero() {
		return moment, nil
	}
	asked := time.Now()
	info, err := docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return moment, fmt.Errorf("ask the docker engine for its time: %w", err)
	}
	now, err := time.Parse(time.RFC3339Nano, info.Info.SystemTime)
	if err != nil {
		return moment, fmt.Errorf("the docker engine's time: %w", err)
	}
	answered := time.Now()
	ago := asked.Sub(moment) // by the clock that nobody sets
	if wall := asked.Round(0); !now.Before(wall.Add(-sameClock)) && !now.After(answered.Round(0).Add(sameClock)) {
		return wall.Add(-ago), nil // it is the same clock, and the answer may have taken its time
	}
	return now.Add(-ago), nil
}

// sameClock is by how much an engine's answer may miss the time between question and answer where both read one clock.
const sameClock = 100 * time.Millisecond
