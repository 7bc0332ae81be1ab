package trace

// masked replaces whatever is hidden. Users and tools know it from gitlab-runner.
const masked = "[MASKED]"

// valueFilter replaces masked values in one stream. What is hidden is the union of all occurrences of all values:
// values that overlap in the text leave no part of either, and a value within a longer one does not show.
//
// It holds back only the bytes that may be the beginning of a value, so any split into writes gives the same result.
type valueFilter struct {
	masks *automaton
	state int32
	held  []byte // the last depth(state) bytes, raw
	spans []span // parts to hide, as offsets into held, in order and without overlap
}

// span is a part of the text that is hidden. Once its beginning is written it is shown: it may then only grow.
type span struct {
	start, end int
	shown      bool
}

// write appends to dst what can be said about the text after p.
func (f *valueFilter) write(dst, p []byte, masks *automaton) []byte {
	if masks != f.masks {
		f.replaceMasks(masks)
	}
	text, from := p, 0
	if len(f.held) > 0 {
		from = len(f.held)
		f.held = append(f.held, p...)
		text = f.held
	}
	f.scan(text, from)
	keep := int(masks.nodes[f.state].depth)
	dst = f.emit(dst, text, len(text)-keep)
	f.held = append(f.held[:0], text[len(text)-keep:]...)
	return dst
}

// flush appends what is held back; the stream has ended.
func (f *valueFilter) flush(dst []byte) []byte {
	dst = f.emit(dst, f.held, len(f.held))
	f.held, f.state = nil, 0
	return dst
}

// replaceMasks looks again at what is held back: a value that was added may begin there.
func (f *valueFilter) replaceMasks(masks *automaton) {
	f.masks, f.state = masks, 0
	if len(f.spans) > 0 && f.spans[0].shown {
		f.spans = f.spans[:1]
	} else {
		f.spans = f.spans[:0]
	}
	f.scan(f.held, 0)
}

// scan moves the automaton over text from the given offset and notes what is to be hidden.
func (f *valueFilter) scan(text []byte, from int) {
	masks, state := f.masks, f.state
	for i := from; i < len(text); i++ {
		if state == 0 {
			i += masks.skip(text[i:])
			if i == len(text) {
				break
			}
		}
		state = masks.next(state, text[i])
		if n := int(masks.nodes[state].match); n > 0 {
			f.hide(i+1-n, i+1)
		}
		for state != 0 && masks.nodes[state].child == 0 { // a whole value: only its end may begin another one
			state = masks.nodes[state].fail
		}
	}
	f.state = state
}

// hide adds a span and joins it with those that it overlaps. Values that merely touch stay apart.
func (f *valueFilter) hide(start, end int) {
	s := span{start: start, end: end}
	for n := len(f.spans); n > 0 && f.spans[n-1].end > start; n-- {
		last := f.spans[n-1]
		f.spans = f.spans[:n-1]
		s = span{start: min(s.start, last.start), end: max(s.end, last.end), shown: last.shown}
	}
	f.spans = append(f.spans, s)
}

// emit appends text[:end] without its hidden parts, and makes the remaining spans relative to end.
func (f *valueFilter) emit(dst, text []byte, end int) []byte {
	pos := 0
	rest := f.spans[:0]
	for _, s := range f.spans {
		if s.start < end {
			dst = append(dst, text[pos:max(pos, s.start)]...)
			if !s.shown {
				dst = append(dst, masked...)
			}
			s.shown = true
			pos = min(s.end, end)
		}
		if s.end > end {
			rest = append(rest, span{start: max(s.start-end, 0), end: s.end - end, shown: s.shown})
		}
	}
	f.spans = rest
	return append(dst, text[pos:end]...)
}
