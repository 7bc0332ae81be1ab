package trace

// filter hides secrets in one stream, in gitlab-runner's order: masked values, URL parameters, tokens by their prefix.
type filter struct {
	secrets  *secrets
	values   valueFilter
	params   paramFilter
	prefixes prefixFilter
	a, b     []byte // the text between two steps; kept to be used again
}

func newFilter(s *secrets) filter {
	return filter{
		secrets:  s,
		values:   valueFilter{masks: s.masks.Load()},
		prefixes: prefixFilter{prefixes: s.prefixes},
	}
}

// write returns what can be said about the text after p. The result is valid until the next call.
func (f *filter) write(p []byte) []byte {
	f.a = f.values.write(f.a[:0], p, f.secrets.masks.Load())
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
