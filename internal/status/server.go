package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

// handler answers for the board. Profiles are for the socket only, which is its owner's: they cost time, and show memory.
func handler(b *Board, keeper Keeper, profiles bool) http.Handler {
	mux := http.NewServeMux()
	report := func(r *http.Request) Report { return b.Report(r.Context(), nil) }
	whole := func(r *http.Request) Report { return b.Report(r.Context(), keeper) }
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { b.metrics.expose(w, gauges{b}.look()) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		io.WriteString(w, page(whole(r), time.Now()))
	})
	mux.HandleFunc("GET /status.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.Encode(whole(r))
	})
	health := func(ok func(Report) bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			now := report(r)
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			if !ok(now) {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			io.WriteString(w, reasons(ok(now), now))
		}
	}
	ready := health(func(r Report) bool { return r.Ready })
	mux.HandleFunc("GET /healthz", health(func(r Report) bool { return r.Alive }))
	mux.HandleFunc("GET /readyz", ready)
	mux.HandleFunc("GET /health/ready", ready)
	mux.HandleFunc("GET /debug/jobs/list", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-List-Version", "2")
		io.WriteString(w, jobsList(report(r), time.Now()))
	})
	mux.HandleFunc("GET /debug/process/state", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, report(r).Process)
	})
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Serve answers on the socket and, if it is not nil, on tcp, until ctx ends. It closes both.
func Serve(ctx context.Context, b *Board, keeper Keeper, socket, tcp net.Listener) error {
	served := make(chan error, 2)
	begun := 0
	var servers []*http.Server
	for _, l := range []net.Listener{socket, tcp} {
		if l == nil {
			continue
		}
		server := &http.Server{
			Handler: handler(b, keeper, l == socket), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		}
		servers = append(servers, server)
		begun++
		go func() { served <- server.Serve(l) }()
	}
	<-ctx.Done()
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.Close())
	}
	for range begun {
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
