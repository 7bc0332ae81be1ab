package trace

// filter hides secrets in one stream, in gitlab-runner's order: masked values, URL parameters, tokens by their prefix.
type filter struct {
	values   valueFilter
	params   paramFilter
	prefixes prefixFilter
	a, b     []byte // the text between two steps; kept to be used again
}

func (t *Trace) newFilter() filter {
	return filter{values: valueFilter{masks: t.masks.Load()}, prefixes: prefixFilter{prefixes: t.prefixes}}
}

// write returns what can be said about the text after p. The result is valid until the next call.
func (f *filter) write(p []byte, masks *automaton) []byte {
	f.a = f.values.write(f.a[:0], p, masks)
	return f.hideTokens()
}

// flush returns what was held back; the stream has ended.
func (f *filter) flush() []byte {
	f.a = f.values.flush(f.a[:0])
	return f.hideTokens()
}

func (f *filter) hideTokens() []byte {
	f.b = f.params.write(f.b[:0], f.a)
	f.a = f.prefixes.write(f.a[:0], f.b)
	return f.a
}

// hide returns a whole text without its secrets.
func (t *Trace) hide(text string) string {
	f := t.newFilter()
	hidden := string(f.write([]byte(text), t.masks.Load()))
	return hidden + string(f.flush())
}
