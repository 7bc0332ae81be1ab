package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// socketName is the socket's file in the state directory. Who may read that may ask; no port has to be open for it.
const socketName = "status.sock"

// Listen makes the socket in the state directory, for its owner only. One that a killed process left is replaced: the
// caller holds the lock of the directory.
func Listen(dir string) (net.Listener, error) {
	// By way of the open directory, since the address of a socket has 107 bytes at most.
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open the directory of the status socket: %w", err)
	}
	defer d.Close()
	if err := os.Remove(filepath.Join(dir, socketName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the status socket of an earlier process: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: short(d), Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("make the status socket in %s: %w", dir, err)
	}
	l.SetUnlinkOnClose(false) // its name ends with the directory; the next process removes it
	if err := os.Chmod(filepath.Join(dir, socketName), 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("keep the status socket to its owner: %w", err)
	}
	return l, nil
}

// short is the socket's name below an open directory.
func short(d *os.File) string { return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName) }

// ErrNotRunning says that no runner answers in the state directory.
var ErrNotRunning = errors.New("no lced-runner runs with this configuration")

// Ask asks the runner that runs in the state directory for its report. Without one the error is ErrNotRunning.
func Ask(ctx context.Context, dir string) (Report, error) {
	var report Report
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return report, fmt.Errorf("%w (there is no %s)", ErrNotRunning, dir)
	}
	if err != nil {
		return report, fmt.Errorf("open the runner's state directory: %w", err)
	}
	defer d.Close()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", short(d))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://runner/status.json", nil)
	if err != nil {
		return report, err
	}
	response, err := client.Do(request)
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return report, fmt.Errorf("%w (nobody listens on %s)", ErrNotRunning, filepath.Join(dir, socketName))
	case err != nil:
		return report, fmt.Errorf("ask the runner for its status: %w", err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&report); err != nil {
		return report, fmt.Errorf("read the runner's status: %w", err)
	}
	return report, nil
}
