package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"lced-runner/internal/config"
	"lced-runner/internal/status"
)

// lookInterval is how often a running runner looks for a change of its configuration, as gitlab-runner does.
const lookInterval = 3 * time.Second

// stamp tells one state of a file from another; the zero stamp is that of no file.
type stamp struct {
	changed time.Time
	size    int64
}

func stampOf(file string) (stamp, error) {
	stat, err := os.Stat(file)
	if err != nil {
		return stamp{}, err
	}
	return stamp{stat.ModTime(), stat.Size()}, nil
}

// settled waits until a file is as it was a moment ago: editors and copies empty a file before they write it, and an empty
// file is a whole configuration without runners.
func settled(ctx context.Context, file string) (stamp, error) {
	var last stamp
	for {
		now, err := stampOf(file)
		if err != nil || now == last {
			return now, err
		}
		last = now
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			return stamp{}, context.Cause(ctx)
		}
	}
}

// watcher hands each new reading of the configuration file to the runner.
type watcher struct {
	file    string
	host    string // name of runners without one
	log     *slog.Logger
	output  *operatorLog
	current *config.Config // what runs
	seen    stamp          // of the last reading, used or not
	changes chan<- *config.Config
	board   *status.Board
	hangup  chan os.Signal // SIGHUP, which would end the process if nobody took it
}

// watch looks at the file every few seconds and at SIGHUP, until ctx ends. A file that cannot be used is told once; what
// runs stays as it is.
func (w *watcher) watch(ctx context.Context) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.hangup:
			w.log.Info("SIGHUP: reading the configuration again", "config", w.file)
			w.read(ctx)
		case <-tick.C:
			if now, _ := stampOf(w.file); now != w.seen {
				w.read(ctx)
			}
		}
	}
}

// read reads the file and, where it is good, hands it over.
func (w *watcher) read(ctx context.Context) {
	var err error
	if w.seen, err = settled(ctx, w.file); ctx.Err() != nil {
		return
	}
	if err != nil {
		w.log.Error("the configuration cannot be read, the old one stays", "error", err)
		w.board.Refused(err)
		return
	}
	c, warnings, err := config.Load(w.file, os.Getenv)
	for _, warning := range warnings {
		w.log.Warn("configuration: " + warning.String())
	}
	if err == nil {
		err = w.output.adopt(c)
	}
	if err != nil {
		w.log.Error("the new configuration is refused, the old one stays", "error", err)
		w.board.Refused(err)
		return
	}
	nameRunners(c, w.host)
	if keys := needRestart(w.current, c); len(keys) > 0 {
		w.log.Warn("a change of these keys has no effect before the next start of the runner", "keys", strings.Join(keys, ", "))
	}
	select {
	case w.changes <- c:
		w.current = c
	case <-ctx.Done():
	}
}

// needRestart lists the changed keys that only the start of the runner reads.
func needRestart(old, now *config.Config) (keys []string) {
	if old.LCED.StateDir != now.LCED.StateDir {
		keys = append(keys, "state_dir of [lced]")
	}
	if old.ListenAddress != now.ListenAddress {
		keys = append(keys, "listen_address")
	}
	if old.SessionServer != now.SessionServer {
		keys = append(keys, "[session_server]")
	}
	return keys
}

// load waits for the configuration file and reads it for the first time; its warnings go to the log.
func load(ctx context.Context, g *globals, flag string) (*watcher, error) {
	log, output, err := newLogger(os.Stderr, g, config.Default())
	if err != nil {
		return nil, err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	file, err := awaitConfig(ctx, flag, log)
	if err != nil {
		return nil, err
	}
	seen, _ := stampOf(file) // what is wrong with it, its reader tells
	c, warnings, wrong := config.Load(file, os.Getenv)
	if wrong != nil && !c.Usable() {
		return nil, wrong
	}
	if err := output.adopt(c); err != nil {
		return nil, err
	}
	for _, w := range warnings {
		log.Warn("configuration: " + w.String())
	}
	if wrong != nil { // in a runner's table: the others work
		for line := range strings.Lines(wrong.Error()) {
			log.Error("configuration: " + strings.TrimSpace(line))
		}
	}
	return &watcher{file: file, log: log, output: output, current: c, seen: seen, hangup: hangup}, nil
}

// awaitConfig waits until there is a configuration file: a container may be started first and get its runners by
// `register` then, as gitlab-runner's is.
func awaitConfig(ctx context.Context, flag string, log *slog.Logger) (string, error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	defer stop()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for told := false; ; told = true {
		file, err := findConfig(flag)
		if err == nil {
			_, err = os.Stat(file)
		}
		if err == nil || file != "" && !os.IsNotExist(err) {
			return file, nil
		}
		if !told {
			log.Warn("waiting for a configuration", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", exitCode(0)
		}
	}
}
