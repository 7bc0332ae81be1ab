package session

import (
	"regexp"
	"strconv"
)

// askSize asks the user's terminal itself for the size of its window, since GitLab's protocol has no word for it; without a
// size, editors and pagers draw 80 columns. Two questions, both part of what the shell would print anyway:
//   - "\x1b[?2048h": report the size now and whenever it changes, as newer terminals do; others ignore it;
//   - "\x1b[999;999H\x1b[6n": go as far to the lower right as there is a place, and say where that is, as xterm's resize
//     program does. Every terminal answers that. The cursor is saved and restored around it.
const askSize = "\x1b[?2048h" + "\x1b7\x1b[r\x1b[999;999H\x1b[6n\x1b8"

// sizes finds the answers in what the user's terminal sends. It expects an answer whole within one message, as terminals
// send them.
type sizes struct{ placed bool } // the one answer about the cursor's place has come

// take removes answers from p; rows is 0 where there was none.
func (s *sizes) take(p []byte) (rest []byte, rows, columns uint) {
	rest = p
	report := regexp.MustCompile(`\x1b\[48;(\d{1,4});(\d{1,4});\d+;\d+t`)
	place := regexp.MustCompile(`\x1b\[(\d{1,4});(\d{1,4})R`)
	if m := report.FindSubmatchIndex(rest); m != nil {
		rows, columns = number(rest[m[2]:m[3]]), number(rest[m[4]:m[5]])
		rest = append(append([]byte{}, rest[:m[0]]...), rest[m[1]:]...)
	}
	if s.placed {
		return rest, rows, columns // another one is for a program that has asked by itself
	}
	m := place.FindSubmatchIndex(rest)
	if m == nil || number(rest[m[2]:m[3]]) < 2 { // row 1: the key F3 with a modifier, "\x1b[1;2R"
		return rest, rows, columns
	}
	s.placed = true
	if rows == 0 {
		rows, columns = number(rest[m[2]:m[3]]), number(rest[m[4]:m[5]])
	}
	return append(append([]byte{}, rest[:m[0]]...), rest[m[1]:]...), rows, columns
}

func number(digits []byte) uint {
	n, _ := strconv.ParseUint(string(digits), 10, 16) // at most four digits
	return uint(n)
}
