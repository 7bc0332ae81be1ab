package executor

import (
	"context"
	"io"
)

// holding keeps the build container alive although its script has ended with this code, until it returns or stop ends.
type holding func(stop context.Context, code int)

// feed writes the script and closes the shell's stdin: at once, or, for a script that was wrapped to be held, when hold
// returns. A shell that ended early makes the write fail; its exit code says more than the broken pipe. released waits for the
// end of hold.
func (a *armed) feed(stop context.Context, script string, hold holding) (released func(), err error) {
	_, err = io.WriteString(a.stream.conn.Conn, script)
	if hold == nil {
		if cerr := a.stream.conn.CloseWrite(); err == nil {
			err = cerr
		}
		return func() {}, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-a.marks.over:
			hold(stop, a.marks.code)
		case <-a.stream.done: // the container ended without the end of the script
		case <-stop.Done():
		}
		_ = a.stream.conn.CloseWrite()
	}()
	return func() { <-done }, err
}
