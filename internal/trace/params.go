package trace

import (
	"encoding/binary"
	"math/bits"
)

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

// skipToParam returns how many bytes at the start of p are neither ? nor &. It looks at eight at once: a byte x of v is
// zero if the highest bit of (x - 1) &^ x is set, which a borrow may feign only behind a real one.
func skipToParam(p []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(p); i += 8 {
		v := binary.LittleEndian.Uint64(p[i:])
		question, and := v^(ones*'?'), v^(ones*'&')
		if found := ((question-ones)&^question | (and-ones)&^and) & tops; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(p); i++ {
		if p[i] == '?' || p[i] == '&' {
			break
		}
	}
	return i
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
