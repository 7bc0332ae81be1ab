package executor

import (
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// loudPiece is what the engine hands on of output that comes faster than it is printed line by line, in bytes; at most 32 KiB at once.
	loudPiece = 16 << 10
	// gatherTime is how long loud output may gather. A connection holds some 200 KB, more than engines pass on in that time.
	gatherTime = 5 * time.Millisecond
)

// gathering reads the engine's connection in few long runs where the output is loud: to be woken for each of its pieces takes the
// processor for longer than all that is done with it.
type gathering struct {
	from io.Reader
	conn syscall.RawConn // nil: one that cannot tell what waits, as with TLS
	loud bool
}

func newGathering(from io.Reader, conn net.Conn) *gathering {
	g := &gathering{from: from}
	if c, ok := conn.(syscall.Conn); ok {
		g.conn, _ = c.SyscallConn()
	}
	return g
}

func (g *gathering) Read(p []byte) (int, error) {
	if g.loud && g.conn != nil && g.waiting() < len(p) {
		time.Sleep(gatherTime)
	}
	n, err := g.from.Read(p)
	g.loud = n >= loudPiece
	return n, err
}

// waiting is how many bytes can be read at once.
func (g *gathering) waiting() (n int) {
	_ = g.conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return n
}
