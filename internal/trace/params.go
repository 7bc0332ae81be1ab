package trace

// longestParam is the length of x-amz-security-token.
const longestParam = 20

// secretParam says whether a URL parameter's value is a secret. The list is gitlab-runner's; names are in lower case.
func secretParam(name []byte) bool {
	switch string(name) {
	case "private_token", "authenticity_token", "rss_token",
		"x-amz-signature", "x-amz-credential", "x-amz-security-token":
		return true
	}
	return false
}

// paramFilter replaces the values of secret URL parameters. The names stay visible, so it holds nothing back.
type paramFilter struct {
	place paramPlace
	name  [longestParam]byte // in lower case
	n     int                // length of name
}

type paramPlace int

const (
	outsideParam paramPlace = iota
	paramName
	paramValue // of a secret one
)

func (f *paramFilter) write(dst, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		if f.place == outsideParam {
			n := skipToParam(p[i:])
			dst = append(dst, p[i:i+n]...)
			i += n
			if i == len(p) {
				break
			}
		}
		c := p[i]
		switch {
		case c == '?' || c == '&':
			f.place, f.n = paramName, 0
		case f.place == paramValue:
			if c > ' ' && c != 0x7f {
				continue
			}
			f.place = outsideParam
		case c == '=' && secretParam(f.name[:f.n]):
			f.place = paramValue
			dst = append(dst, '=')
			dst = append(dst, masked...)
			continue
		case c == '=' || f.n == longestParam:
			f.place = outsideParam
		default:
			f.name[f.n] = lower(c)
			f.n++
		}
		dst = append(dst, c)
	}
	return dst
}

func skipToParam(p []byte) int {
	for i, c := range p {
		if c == '?' || c == '&' {
			return i
		}
	}
	return len(p)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
