package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// The subprotocols that Workhorse speaks (GitLab's doc/development/workhorse/channel.md): the bytes of the terminal in binary
// messages, or in text messages as base64. There are no others, and none that tells the window's size; see [sizes].
const (
	binaryProtocol = "terminal.gitlab.com"
	base64Protocol = "base64.terminal.gitlab.com"
)

const (
	// pingInterval keeps proxies on the way from closing a silent connection; it is gitlab-runner's.
	pingInterval = 30 * time.Second
	// maxMessage bounds one message of the user: what is pasted arrives in one.
	maxMessage = 4 << 20
	// sayGoodbye bounds the closing handshake with a user who may be gone.
	sayGoodbye = 5 * time.Second
)

// channel copies between a websocket and a shell.
type channel struct {
	conn   *websocket.Conn
	shell  Shell
	base64 bool
	sizes  sizes
}

// run copies until either side ends, or ctx does, and tells the user why. The shell is closed.
func (c *channel) run(ctx context.Context) error {
	c.conn.SetReadLimit(maxMessage)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var wg sync.WaitGroup
	// A websocket whose reader's context ends is cut off at once; the user is to be told first.
	steady := context.WithoutCancel(ctx)
	wg.Go(func() { end(c.output(steady)) })
	wg.Go(func() { end(c.input(steady)) })
	wg.Go(func() { end(c.keepAlive(ctx)) })
	<-ctx.Done()
	c.shell.Close()
	why := context.Cause(ctx)
	code := websocket.StatusGoingAway
	switch {
	case errors.Is(why, errShellEnded):
		code = websocket.StatusNormalClosure
	case errors.Is(why, errText):
		code = websocket.StatusUnsupportedData
	}
	late := time.AfterFunc(sayGoodbye, func() { c.conn.CloseNow() })
	c.conn.Close(code, why.Error())
	late.Stop()
	wg.Wait()
	return why
}

var (
	errShellEnded = errors.New("the shell has ended")
	errText       = errors.New("text messages are not part of " + binaryProtocol)
)

// output sends what the shell prints, and first the question for the window's size.
func (c *channel) output(ctx context.Context) error {
	if err := c.send(ctx, []byte(askSize)); err != nil {
		return err
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := c.shell.Read(buf)
		if n > 0 {
			if err := c.send(ctx, buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return errShellEnded
		case err != nil:
			return fmt.Errorf("read from the shell: %w", err)
		}
	}
}

func (c *channel) send(ctx context.Context, p []byte) error {
	kind := websocket.MessageBinary
	if c.base64 {
		kind, p = websocket.MessageText, base64.StdEncoding.AppendEncode(nil, p)
	}
	return c.conn.Write(ctx, kind, p)
}

// input gives the shell what the user types, but for the answers about the window's size.
func (c *channel) input(ctx context.Context) error {
	for {
		kind, p, err := c.conn.Read(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("the user has gone: %w", err)
		case c.base64:
			if p, err = base64.StdEncoding.AppendDecode(nil, p); err != nil {
				return fmt.Errorf("read what the user typed: %w", err)
			}
		case kind == websocket.MessageText:
			return errText
		}
		rest, rows, columns := c.sizes.take(p)
		if rows > 0 {
			// A shell in a window of the wrong size is better than none.
			_ = c.shell.Resize(ctx, rows, columns)
		}
		if len(rest) == 0 {
			continue
		}
		if _, err := c.shell.Write(rest); err != nil {
			return fmt.Errorf("write to the shell: %w", err)
		}
	}
}

// ping fails where nobody answers, as after a cut of the network: else the next user would find the terminal in use.
func (c *channel) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, pingInterval, errors.New("no answer to a ping"))
	defer cancel()
	return c.conn.Ping(ctx)
}

func (c *channel) keepAlive(ctx context.Context) error {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := c.ping(ctx); err != nil {
				return fmt.Errorf("the user has gone: %w", err)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
