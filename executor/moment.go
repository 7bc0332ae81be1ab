package executor

import (
	"time"

	"golang.org/x/sys/unix"
)

// Moment is a point of time that another process of the same boot understands and no change of the clock moves: nanoseconds
// since the machine's start. Zero is none.
type Moment int64

// Now is the present moment; zero where the kernel does not tell.
func Now() Moment {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return Moment(t.Nano())
}

// Ago is how long it is past: 0 for none, and for one of an earlier boot that seems to lie ahead.
func (m Moment) Ago() time.Duration {
	if m == 0 {
		return 0
	}
	return max(0, time.Duration(Now()-m))
}
