package trace

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

// TestEncodings hides a value in every encoding, wherever the value stands in what was encoded.
func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"s3cr3t!?", "pass word/4711+x", "\xff\xfe\xfd\xfc>>>???~~", "a-plain-value-without-anything"} {
		secrets := newSecrets([]string{value}, nil, nil)
		for _, before := range []string{"", "u", "u:", "usr:", "user:"} {
			for _, after := range []string{"", "\n", "!", "!!", "!!!"} {
				for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
					text := encoding.EncodeToString([]byte(before + value + after))
					got := secrets.hide(text)
					// What stays are characters that hold bits of what stands around the value.
					shown := strings.SplitN(got, masked, 2)
					if len(shown) != 2 || len(shown[0]) > (len(before)*8+5)/6 || len(shown[1]) > (len(after)*8+5)/6+3 {
						t.Errorf("%q between %q and %q: %s shows as %s", value, before, after, text, got)
					}
					if after == "" && len(shown) == 2 && shown[1] != "" {
						t.Errorf("%q after %q: the end %q of %s shows", value, before, shown[1], text)
					}
				}
			}
		}
		for _, text := range []string{url.QueryEscape(value), strings.ReplaceAll(url.QueryEscape(value), "+", "%20")} {
			if got := secrets.hide("?x=" + text + "&"); got != "?x=[MASKED]&" {
				t.Errorf("%q: %s shows as %s", value, text, got)
			}
		}
	}
	if got := newSecrets([]string{"it's (a) secret!"}, nil, nil).hide("it's%20(a)%20secret!"); got != masked {
		t.Errorf("JavaScript's encoding shows as %s", got)
	}
	short := base64.StdEncoding.EncodeToString([]byte("seven77"))
	if got := newSecrets([]string{"seven77"}, nil, nil).hide(short); got != short {
		t.Errorf("the base64 of a short value shows as %s", got)
	}
	if forms := encodings(strings.Repeat("x", longestEncoded+1)); forms != nil {
		t.Errorf("a long value has %d encodings", len(forms))
	}
}
