package trace

import (
	"fmt"
	"io"
	"slices"
	"sync"
)

// defaultLimit is gitlab-runner's default output_limit, 4096 KiB.
const defaultLimit = 4 << 20

// Options say where the log of a job is kept and what is done to it on the way.
type Options struct {
	// Path of the spool file. It is created with mode 0600, and truncated when it exists.
	Path string
	// Limit of the log in bytes; 0 is 4 MiB. The notice that says so comes on top.
	Limit int64
	// Masks are the values to hide. Surrounding white space does not count, empty ones are ignored.
	Masks []string
	// OnMask, if set, is told each value that the job adds to the masks, before anything is written that may hold it.
	OnMask func(value string)
	// Prefixes of tokens to hide, besides GitLab's own: the server's features.token_mask_prefixes.
	Prefixes []string
	// FewPrefixes hides, of GitLab's own tokens, personal access tokens only (FF_MASK_ALL_DEFAULT_TOKENS is off).
	FewPrefixes bool
	// Sections says whether the server understands section markers: features.trace_sections.
	Sections bool
	// Timestamps puts the time before each line, in the format that GitLab reads from 17.2 on.
	Timestamps bool
	// PatientKeepAlive tells the server that a silent job lives after four of the intervals that it asks for, instead of half
	// a minute (FF_USE_DYNAMIC_TRACE_FORCE_SEND_INTERVAL).
	PatientKeepAlive bool
	// ServicesGoOn says for Resume that the job's services are those of which the log has a part.
	ServicesGoOn bool
	// Live, if set, gets a copy of everything that reaches the spool. Its errors are ignored.
	Live io.Writer
}

// Sum describes a log as the server checks it: its length in bytes and the CRC-32 (IEEE) of all of them.
type Sum struct {
	Size  int64
	CRC32 uint32
}

// Trace is the log of one job. Its methods may be called from several goroutines at once, except for Ship and Finish,
// which share the position of the upload: one of them, once, at a time.
type Trace struct {
	spool   *spool
	markers bool
	patient bool // see Options.PatientKeepAlive
	secrets *secrets

	mu     sync.Mutex
	queue  queue
	open   []*Section // in the order of opening
	closed bool
	// services says how much of the streams of services an earlier process has used up, in bytes by source.
	services map[uint8]int64

	// What follows belongs to Ship, then to Finish.
	sent   int64 // bytes that the server has, as far as we know
	synced int64 // bytes of the log that are on the disk for certain
}

// Open creates the spool file and starts an empty log. Remove releases the file.
func Open(opts Options) (*Trace, error) {
	spool, err := openSpool(opts.Path, opts.Live)
	if err != nil {
		return nil, fmt.Errorf("create spool file of the job log: %w", err)
	}
	return newTrace(opts, spool, opts.Timestamps), nil
}

// newTrace is a log that goes on where the spool ends; stamped says whether its lines have headers.
func newTrace(opts Options, s *spool, stamped bool) *Trace {
	limit := opts.Limit
	if limit <= 0 {
		limit = defaultLimit
	}
	size := s.sum.Size
	return &Trace{
		spool:   s,
		markers: opts.Sections,
		patient: opts.PatientKeepAlive,
		secrets: newSecrets(opts.Masks, append(tokenPrefixes(opts.FewPrefixes), opts.Prefixes...), opts.OnMask),
		queue: queue{
			out:       limiter{limit: limit, spool: s, size: size, over: size >= limit},
			lineStart: stamped || size == 0, // with headers only whole lines are written
			stamped:   stamped,
		},
	}
}

// AddMasks hides more values from now on. It must be called before any output that may hold them: what was written
// before stays as it is.
func (t *Trace) AddMasks(values ...string) { t.secrets.add(values...) }

// Close ends the log: open sections are closed in the order of their opening, and what was held back comes out.
// Nothing is appended afterwards; lines and sections that come later are discarded. The spool stays readable for
// Finish until Remove. The error is the first one that writing the spool met, if any; Sum then describes the part of
// the log that was saved. Closing again returns the same.
func (t *Trace) Close() (Sum, error) {
	t.mu.Lock()
	t.queue.settle(t.markers)
	t.closed = true
	open := slices.Clone(t.open)
	t.mu.Unlock()
	for _, s := range open {
		s.Close()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.out.flush()
	err := conclude(t)
	return t.spool.sum, err
}

// Leave ends this process's part in the log: nothing that is written from now on, by Close either, reaches the spool. Resume
// goes on with it, in this process or another.
func (t *Trace) Leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed, t.spool.frozen = true, true
}

// Remove closes and deletes the spool file. The log must have been delivered, or be given up.
func (t *Trace) Remove() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if err := t.spool.remove(); err != nil {
		return fmt.Errorf("remove spool file of the job log: %w", err)
	}
	return nil
}

func (u *upload) sum() Sum {
	t := u.trace
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spool.sum
}
