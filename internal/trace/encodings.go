package trace

import (
	"encoding/base64"
	"net/url"
	"strings"
)

const (
	// shortestEncoded is the length from which a value's encodings are hidden as well. GitLab masks nothing shorter, and
	// the encoding of a shorter value could be a word of the log.
	shortestEncoded = 8
	// longestEncoded bounds the memory that encodings need. base64 breaks the lines of longer texts anyway.
	longestEncoded = 4 << 10
)

// encodings are the forms in which a value commonly leaves a program that was given it: base64, as in an HTTP header or a
// Kubernetes secret, and percent-encoded, as in a URL.
func encodings(value string) []string {
	if len(value) < shortestEncoded || len(value) > longestEncoded {
		return nil
	}
	var forms []string
	for offset := range 3 {
		forms = append(forms, base64Forms(value, offset)...)
	}
	query := url.QueryEscape(value)
	percent := strings.ReplaceAll(query, "+", "%20")
	// encodeURIComponent of JavaScript leaves more as it is.
	script := strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*").Replace(percent)
	return append(forms, query, percent, script)
}

// base64Forms are the texts that the value leaves in the base64 of anything that holds it, where offset bytes modulo 3
// stand before it: "user:" before a password, for example. Characters that the bytes before it have a part in are left
// out; so is the last one unless nothing, or the end of a line, follows the value.
func base64Forms(value string, offset int) []string {
	padded := make([]byte, offset, offset+len(value)+1)
	padded = append(padded, value...)
	begin := (8*offset + 5) / 6
	whole := 8 * len(padded) / 6
	var forms []string
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		atEnd := encoding.EncodeToString(padded)
		beforeNewline := encoding.EncodeToString(append(padded, '\n'))
		forms = append(forms, atEnd[begin:whole], strings.TrimRight(atEnd[begin:], "="), atEnd[begin:], beforeNewline[begin:])
	}
	return forms
}
