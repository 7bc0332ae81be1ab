package trace

// tokenPrefixes are the beginnings of GitLab's own tokens, as gitlab-runner hides them with FF_MASK_ALL_DEFAULT_TOKENS; few
// are those that it hides without.
func tokenPrefixes(few bool) []string {
	if few {
		return []string{"glpat-"}
	}
	return []string{
		"glpat-", "gloas-", "gldt-", "glrt-", "glcbt-", "glrtr-", "glptt-", "glft-", "glimt-", "glagent-",
		"glsoat-", "glffct-", "_gitlab_session=", "gltok-",
	}
}

// prefixFilter replaces what follows a token's prefix. The prefix stays visible, so it holds nothing back.
type prefixFilter struct {
	prefixes *automaton
	state    int32
	token    bool // a prefix has just ended, or its token goes on
	hidden   bool // the token has begun and its replacement is written
}

func (f *prefixFilter) write(dst, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		if f.state == 0 && !f.token {
			n := f.prefixes.skip(p[i:])
			dst = append(dst, p[i:i+n]...)
			i += n
			if i == len(p) {
				break
			}
		}
		c := p[i]
		switch {
		case !f.token:
			dst = append(dst, c)
		case !tokenByte(c):
			dst = append(dst, c)
			f.token, f.hidden = false, false
		case !f.hidden:
			dst = append(dst, masked...)
			f.hidden = true
		}
		f.state = f.prefixes.next(f.state, c)
		if f.prefixes.nodes[f.state].match > 0 {
			f.token = true
		}
	}
	return dst
}

func tokenByte(c byte) bool {
	switch c {
	case '.', '_', '=', '-':
		return true
	}
	return '0' <= c && c <= '9' || 'a' <= lower(c) && lower(c) <= 'z'
}
