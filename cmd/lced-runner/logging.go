package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"lced-runner/internal/config"
)

// operatorLog is where the operator's log goes and what it looks like now: a reload of the configuration may change both
// level and form, for loggers that were made before too.
type operatorLog struct {
	flags    *globals // beat the configuration
	level    slog.LevelVar
	form     atomic.Int32 // index of forms
	warnings atomic.Uint64
	errors   atomic.Uint64
}

// forms of the operator's log: gitlab-runner's, logfmt, and one object of JSON for each line.
func forms() []string { return []string{"runner", "text", "json"} }

// newLogger makes the operator's log. Flags beat the configuration.
func newLogger(w io.Writer, g *globals, c *config.Config) (*slog.Logger, *operatorLog, error) {
	o := &operatorLog{flags: g}
	if err := o.adopt(c); err != nil {
		return nil, nil, err
	}
	all := &slog.HandlerOptions{Level: slog.LevelDebug} // the level is decided before
	return slog.New(&formed{log: o, forms: []slog.Handler{newRunnerForm(w), slog.NewTextHandler(w, all), slog.NewJSONHandler(w, all)}}), o, nil
}

// adopt takes level and form from a configuration.
func (o *operatorLog) adopt(c *config.Config) error {
	level := c.Level()
	if o.flags.logLevel != "" {
		var known bool
		if level, known = config.LevelOf(o.flags.logLevel); !known {
			return fmt.Errorf("log level %q is unknown: use debug, info, warn or error", o.flags.logLevel)
		}
	}
	if o.flags.debug {
		level = slog.LevelDebug
	}
	form := cmp.Or(o.flags.logFormat, c.LogFormat, "runner")
	for i, name := range forms() {
		if name == form {
			o.level.Set(level)
			o.form.Store(int32(i))
			return nil
		}
	}
	return fmt.Errorf("log format %q is unknown: use runner, text or json", form)
}

// lines is how many warnings and errors there were.
func (o *operatorLog) lines() (warnings, errors uint64) { return o.warnings.Load(), o.errors.Load() }

// formed writes each record in the form of the moment.
type formed struct {
	log   *operatorLog
	forms []slog.Handler
}

func (f *formed) Enabled(_ context.Context, level slog.Level) bool {
	return level >= f.log.level.Level()
}

func (f *formed) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case r.Level >= slog.LevelError:
		f.log.errors.Add(1)
	case r.Level >= slog.LevelWarn:
		f.log.warnings.Add(1)
	}
	return f.forms[f.log.form.Load()].Handle(ctx, r)
}

func (f *formed) WithAttrs(attrs []slog.Attr) slog.Handler {
	return f.each(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (f *formed) WithGroup(name string) slog.Handler {
	return f.each(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (f *formed) each(with func(slog.Handler) slog.Handler) slog.Handler {
	next := &formed{log: f.log}
	for _, h := range f.forms {
		next.forms = append(next.forms, with(h))
	}
	return next
}

// runnerForm is gitlab-runner's: the message, then what belongs to it as key=value. It has no time, which docker logs and
// the systemd journal add.
type runnerForm struct {
	out   *sync.Mutex
	w     io.Writer
	text  *bytes.Buffer // into which attrs writes
	attrs slog.Handler
}

func newRunnerForm(w io.Writer) slog.Handler {
	text := &bytes.Buffer{}
	drop := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
			return slog.Attr{}
		}
		return a
	}
	attrs := slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: drop})
	return &runnerForm{out: &sync.Mutex{}, w: w, text: text, attrs: attrs}
}

func (f *runnerForm) Enabled(context.Context, slog.Level) bool { return true }

func (f *runnerForm) Handle(ctx context.Context, r slog.Record) error {
	f.out.Lock()
	defer f.out.Unlock()
	f.text.Reset()
	if err := f.attrs.Handle(ctx, r); err != nil {
		return err
	}
	message := r.Message
	switch {
	case r.Level >= slog.LevelError:
		message = "ERROR: " + message
	case r.Level >= slog.LevelWarn:
		message = "WARNING: " + message
	}
	if f.text.Len() <= 1 {
		_, err := fmt.Fprintln(f.w, message)
		return err
	}
	_, err := fmt.Fprintf(f.w, "%-50s  %s", message, f.text.Bytes())
	return err
}

func (f *runnerForm) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *f
	next.attrs = f.attrs.WithAttrs(attrs)
	return &next
}

func (f *runnerForm) WithGroup(name string) slog.Handler {
	next := *f
	next.attrs = f.attrs.WithGroup(name)
	return &next
}
