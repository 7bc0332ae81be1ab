package helper

import (
	"fmt"
	"io"

	"lced-runner/internal/archive"
)

// Colours of the job log, as GitLab's users know them.
const (
	boldGreen = "\x1b[32;1m"
	boldRed   = "\x1b[31;1m"
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
