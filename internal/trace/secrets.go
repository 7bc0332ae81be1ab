package trace

import (
	"strings"
	"sync"
	"sync/atomic"
)

// secrets is what all streams of a log hide.
type secrets struct {
	masks    atomic.Pointer[automaton]
	prefixes *automaton

	mu    sync.Mutex
	known map[string]bool // what masks was made of
	added int             // bytes of values that the job itself hides

	onMask func(value string) // is told them; nil: nobody wants to know
}

func newSecrets(masks, prefixes []string, onMask func(string)) *secrets {
	s := &secrets{prefixes: newAutomaton(prefixes), known: map[string]bool{}, onMask: onMask}
	s.add(masks...)
	return s
}

// add hides more values: trimmed, without empty ones, and their encodings.
func (s *secrets) add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range values {
		v = strings.TrimSpace(v)
		if v == "" || s.known[v] {
			continue
		}
		s.known[v] = true
		for _, form := range encodings(v) {
			s.known[form] = true
		}
	}
	words := make([]string, 0, len(s.known))
	for v := range s.known {
		words = append(words, v)
	}
	s.masks.Store(newAutomaton(words))
}

// addOfJob hides one more value because the job says so, unless these values take too much memory.
func (s *secrets) addOfJob(value string) bool {
	s.mu.Lock()
	s.added += len(value)
	ok := s.added <= mostAdded
	s.mu.Unlock()
	if ok {
		if s.onMask != nil {
			s.onMask(value)
		}
		s.add(value)
	}
	return ok
}

// hide returns a whole text without its secrets.
func (s *secrets) hide(text string) string {
	f := newFilter(s)
	hidden := string(f.write([]byte(text)))
	return hidden + string(f.flush())
}
