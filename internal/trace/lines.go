package trace

import (
	"fmt"
	"time"
)

// gitlab-runner's colours; users and log viewers know them.
const (
	clearLine  = "\x1b[0K" // starts every line that the runner makes
	reset      = "\x1b[0;m"
	boldRed    = "\x1b[31;1m"
	boldGreen  = "\x1b[32;1m"
	boldYellow = "\x1b[33;1m"
	boldCyan   = "\x1b[36;1m"
	yellow     = "\x1b[0;33m"
	grey       = "\x1b[0;37m"
)

func plainLine(text string) string { return clearLine + text + reset + "\n" }
func infoLine(text string) string  { return clearLine + boldGreen + text + reset + "\n" }
func warnLine(text string) string  { return clearLine + yellow + "WARNING: " + text + reset + "\n" }
func errorLine(text string) string { return clearLine + boldRed + "ERROR: " + text + reset + "\n" }
func titleLine(text string) string { return clearLine + boldCyan + text + reset + "\n" }

// The markers are not filtered: a masked value that is a part of one would make GitLab lose the section.
func startMarker(name string, at time.Time) string {
	return fmt.Sprintf("section_start:%d:%s\r%s", at.Unix(), name, clearLine)
}

// ending is the present moment by the clock with which something began: a section that a jump of the clock ends before its
// beginning, or years later, would show a nonsensical duration.
func ending(begun time.Time) time.Time { return begun.Add(max(0, time.Since(begun))) }

func endMarker(name string, at time.Time) string {
	return fmt.Sprintf("section_end:%d:%s\r%s", at.Unix(), name, clearLine)
}

// Info writes a line of the runner's own in bold green. Like Warn, Error and Plain it writes outside sections: the
// line comes after every section that is open now.
func (t *Trace) Info(format string, args ...any) { t.line(infoLine, format, args) }

// Warn writes a line that warns the user.
func (t *Trace) Warn(format string, args ...any) { t.line(warnLine, format, args) }

// Error writes a line that says why the job fails.
func (t *Trace) Error(format string, args ...any) { t.line(errorLine, format, args) }

// Plain writes a line without colour.
func (t *Trace) Plain(format string, args ...any) { t.line(plainLine, format, args) }

func (t *Trace) line(style func(string) string, format string, args []any) {
	line := style(t.secrets.hide(fmt.Sprintf(format, args...)))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	t.queue.settle(t.markers)
	between := &segment{}
	t.queue.push(between, false)
	t.queue.line(between, line)
	t.queue.close(between)
}
