package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"

	"lced-runner/internal/config"
)

// newLogger makes the operator's log. Flags beat the configuration.
func newLogger(w io.Writer, g *globals, c *config.Config) (*slog.Logger, error) {
	level := c.Level()
	if g.logLevel != "" {
		if err := level.UnmarshalText([]byte(g.logLevel)); err != nil {
			return nil, fmt.Errorf("log level %q is unknown: use debug, info, warn or error", g.logLevel)
		}
	}
	if g.debug {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level}
	switch format := cmp.Or(g.logFormat, c.LogFormat); format {
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), nil
	case "", "text", "runner":
		return slog.New(slog.NewTextHandler(w, options)), nil
	default:
		return nil, fmt.Errorf("log format %q is unknown: use runner, text or json", format)
	}
}
