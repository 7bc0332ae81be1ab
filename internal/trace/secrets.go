package trace

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// secrets is what all streams of a log hide.
type secrets struct {
	masks    atomic.Pointer[automaton]
	prefixes *automaton

	mu     sync.Mutex
	values []string // what masks was made of
}

func newSecrets(masks, prefixes []string) *secrets {
	s := &secrets{prefixes: newAutomaton(append(tokenPrefixes(), prefixes...))}
	s.add(masks...)
	return s
}

// add hides more values: trimmed, without empty ones, each once.
func (s *secrets) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		v = strings.TrimSpace(v)
		if v != "" && !slices.Contains(s.values, v) {
			s.values = append(s.values, v)
		}
	}
	s.masks.Store(newAutomaton(s.values))
}

// hide returns a whole text without its secrets.
func (s *secrets) hide(text string) string {
	f := newFilter(s)
	hidden := string(f.write([]byte(text)))
	return hidden + string(f.flush())
}
