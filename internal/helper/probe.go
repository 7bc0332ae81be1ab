package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// target is one service to wait for: ready when any of its TCP ports accepts a connection.
type target struct {
	Service string   `json:"service"`
	Host    string   `json:"host"`
	Ports   []uint16 `json:"ports"`
}

// Probe waits until each of the targets, a JSON list, accepts a connection on one of its ports, and prints the indices
// of those that did not in time, as a JSON list. It runs in a short container on the network of the services.
func Probe(ctx context.Context, timeout time.Duration, targets string, out io.Writer) error {
	var list []target
	if err := json.Unmarshal([]byte(targets), &list); err != nil {
		return fmt.Errorf("read the services to wait for: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("the services were not ready in time"))
	defer cancel()
	ready := make([]bool, len(list))
	var wg sync.WaitGroup
	for i, t := range list {
		wg.Go(func() { ready[i] = t.await(ctx) })
	}
	wg.Wait()
	failed := []int{}
	for i, ok := range ready {
		if !ok {
			failed = append(failed, i)
		}
	}
	return json.NewEncoder(out).Encode(failed)
}

// await dials until a port answers. A name that no longer resolves belongs to a service that has ended: the engine's name
// server knows the names of running containers only.
func (t target) await(ctx context.Context) bool {
	dialer := net.Dialer{Timeout: time.Second}
	for {
		for _, port := range t.Ports {
			conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(t.Host, strconv.Itoa(int(port))))
			if err == nil {
				conn.Close()
				return true
			}
			if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
				return false
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(200 * time.Millisecond):
		}
	}
}
