package helper

import (
	"fmt"
	"io"
	"time"

	"lced-runner/internal/archive"
)

// Colours of the job log, as GitLab's users know them.
const (
	boldGreen = "\x1b[32;1m"
	boldRed   = "\x1b[31;1m"
	boldCyan  = "\x1b[36;1m"
	yellow    = "\x1b[0;33m"
	noColour  = "\x1b[0;m"
)

// notice writes a line that the stage itself has to say, as against what git or a script prints.
func notice(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, boldGreen+format+noColour+"\n", args...)
}

func warning(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, yellow+format+noColour+"\n", args...)
}

// tell writes what was noted while the files of an archive were chosen.
func tell(w io.Writer, notes []archive.Note) {
	for _, n := range notes {
		if n.Warning {
			warning(w, "WARNING: %s", n.Text)
		} else {
			fmt.Fprintln(w, n.Text)
		}
	}
}

// interlude does something that has a section of its own in the middle of the stage, whose section it ends before and begins
// again after, under its title.
func (s *stage) interlude(section, title, titleOfStage string, do func() error) error {
	if !s.Sections {
		notice(s.out, "%s", title)
		return do()
	}
	s.marker("end", s.Stage, "")
	s.marker("start", section, title)
	err := do()
	s.marker("end", section, "")
	s.marker("start", s.Stage, titleOfStage)
	return err
}

// marker begins or ends a section of the log (job-api contract 6.1).
func (s *stage) marker(kind, section, title string) {
	const clearLine = "\x1b[0K"
	fmt.Fprintf(s.out, "section_%s:%d:%s\r%s", kind, time.Now().Unix(), section, clearLine)
	if title != "" {
		fmt.Fprintf(s.out, "%s%s%s%s\n", clearLine, boldCyan, title, noColour)
	}
}
