package config

import (
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Config is a whole configuration file with every default filled in. The tags are the table of keys: `key` is the key's
// name, `doc` its line in the documentation, and min, oneof, check, unit and also say which values it takes (see decode.go).
type Config struct {
	Concurrent       int           `key:"concurrent" min:"1" doc:"how many jobs may run at once, over all runners"`
	CheckInterval    time.Duration `key:"check_interval" unit:"s" doc:"seconds between two requests for a job of one runner; 0 means the default"`
	LogLevel         string        `key:"log_level" oneof:"debug|info|warn|warning|error|fatal|panic" doc:"least important messages that the operator's log shows"`
	LogFormat        string        `key:"log_format" oneof:"runner|text|json" doc:"form of the operator's log"`
	ConnectionMaxAge time.Duration `key:"connection_max_age" doc:"how long a connection to GitLab is used before a new one is made"`
	ShutdownTimeout  time.Duration `key:"shutdown_timeout" unit:"s" doc:"seconds that aborted jobs have to end at a forced stop; 0 means the default"`
	ListenAddress    string        `key:"listen_address" doc:"where to serve metrics, health and status, host:port; the port is 9252 where there is none; empty means nowhere"`
	LCED             LCED          `key:"lced" doc:"keys that gitlab-runner does not have"`
	SessionServer    SessionServer `key:"session_server" doc:"interactive web terminals"`
	Runners          []Runner      `key:"runners" doc:"one table for each runner registered with GitLab"`

	_ ignored[string]            `key:"sentry_dsn" why:"errors go to the log only" doc:"error reporting to Sentry"`
	_ ignored[string]            `key:"user" doc:"written by gitlab-runner for itself"`
	_ ignored[map[string]string] `key:"labels" why:"metrics and logs have fixed labels" doc:"labels of metrics and logs"`
	_ ignored[struct{}]          `key:"experimental" why:"gitlab-runner's experiments are not part of lced-runner" doc:"gitlab-runner's experiments"`
	_ otherExecutor              `key:"machine" doc:"docker-machine"`
}

// LCED is the table [lced]: what concerns the whole process and what gitlab-runner, which only warns about it, does not have.
type LCED struct {
	StateDir string `key:"state_dir" check:"dir" doc:"directory of the journal; empty means the directory of the configuration file"`

	MinFreeDisk       Bytes `key:"min_free_disk" doc:"no job is taken while the engine's disk has less left; 0 means never mind"`
	MinFreeMemory     Bytes `key:"min_free_memory" doc:"no job is taken while less memory is left, for itself and once more for each job that has just begun; 0 means never mind"`
	DiskHighWatermark int   `key:"disk_high_watermark" min:"1" doc:"percent of the engine's disk in use above which images that jobs pulled and cache volumes are removed, the longest unused first; 100 means never"`
	DiskLowWatermark  int   `key:"disk_low_watermark" min:"1" doc:"percent of the engine's disk in use down to which that goes on"`

	Shutdown        string        `key:"shutdown" oneof:"handover|abort" doc:"what SIGTERM does to running jobs: leave them to the next runner process, or end them"`
	HandoverTimeout time.Duration `key:"handover_timeout" doc:"after how long a job that no runner process took over is reported as failed"`

	HelperIdle time.Duration `key:"helper_idle" doc:"how long the container in which git, caches and artifacts ran is kept for the next job of the same project and slot, and a network for any job; 0 means not at all"`
}

// SessionServer is the table [session_server]: the web terminals, which are off unless there is an address to listen on.
type SessionServer struct {
	ListenAddress    string        `key:"listen_address" check:"address" doc:"address of the terminals' server, host:port; empty means no web terminals"`
	AdvertiseAddress string        `key:"advertise_address" check:"reachable" doc:"address by which GitLab reaches the terminals' server, host:port; empty means listen_address"`
	Timeout          time.Duration `key:"session_timeout" unit:"s" doc:"seconds that a job whose script has ended waits for a terminal that is still open; 0 means the default"`
}

// Usable reports whether any runner can take jobs; c may be nil.
func (c *Config) Usable() bool {
	return c != nil && slices.ContainsFunc(c.Runners, func(r Runner) bool { return r.Disabled == "" })
}

// Level is LogLevel as slog knows it.
func (c *Config) Level() slog.Level {
	level, _ := LevelOf(c.LogLevel)
	return level
}

// LevelOf is the level of a word of log_level, in any case; false where it is none. fatal and panic show errors only, as
// nothing of ours is more important.
func LevelOf(word string) (slog.Level, bool) {
	level, known := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "warning": slog.LevelWarn,
		"error": slog.LevelError, "fatal": slog.LevelError, "panic": slog.LevelError,
	}[strings.ToLower(word)]
	return level, known
}
