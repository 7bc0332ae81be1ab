package trace

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// run sends text through one filter in chunks of the given sizes, used in turn; no sizes mean one chunk.
func run(s *secrets, text []byte, sizes []byte) string {
	f := newFilter(s)
	var out []byte
	for i := 0; len(text) > 0; i++ {
		n := len(text)
		if len(sizes) > 0 {
			n = min(n, int(sizes[i%len(sizes)])%16+1)
		}
		out = append(out, f.write(slices.Clone(text[:n]))...)
		text = text[n:]
	}
	return string(append(out, f.flush()...))
}

func TestFilter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		masks    []string
		prefixes []string
		few      bool
		in, want string
	}{
		{name: "nothing to hide", in: "a b\nc", want: "a b\nc"},
		{name: "value", masks: []string{"secret"}, in: "a secret b", want: "a [MASKED] b"},
		{name: "value at both ends", masks: []string{"xy"}, in: "xy-xy", want: "[MASKED]-[MASKED]"},
		{name: "values that touch", masks: []string{"secret"}, in: "secretsecret", want: "[MASKED][MASKED]"},
		{name: "values that overlap", masks: []string{"abcd", "cdef"}, in: "abcdef", want: "[MASKED]"},
		{name: "value that overlaps itself", masks: []string{"aa"}, in: "aaaaa-a", want: "[MASKED]-a"},
		{name: "longer value wins", masks: []string{"pass", "password1"}, in: "password1 passwor", want: "[MASKED] [MASKED]wor"},
		{name: "inner value when the longer one fails", masks: []string{"abcde", "bc"}, in: "abcdx", want: "a[MASKED]dx"},
		{name: "inner value does not show twice", masks: []string{"abcde", "bc", "e"}, in: "abcde", want: "[MASKED]"},
		{name: "value begun again", masks: []string{"aab"}, in: "aaab", want: "a[MASKED]"},
		{name: "unfinished value comes out", masks: []string{"secret"}, in: "secre", want: "secre"},
		{name: "several lines", masks: []string{"-----\nkey\n-----"}, in: "<-----\nkey\n----->", want: "<[MASKED]>"},
		{name: "trimmed, empty, twice", masks: []string{" secret\n", "", "  ", "secret"}, in: "a secret b", want: "a [MASKED] b"},
		{name: "not UTF-8", masks: []string{"\xff\xfe"}, in: "\xff\xff\xfe\x80", want: "\xff[MASKED]\x80"},
		{name: "one letter", masks: []string{"x"}, in: "axxb", want: "a[MASKED][MASKED]b"},
		{name: "URL parameter", in: "GET /a?Private_Token=abc&x=1 HTTP", want: "GET /a?Private_Token=[MASKED]&x=1 HTTP"},
		{name: "URL parameters", in: "?X-Amz-Signature=a&x-amz-credential=b&rss_token=c\nd", want: "?X-Amz-Signature=[MASKED]&x-amz-credential=[MASKED]&rss_token=[MASKED]\nd"},
		{name: "longest URL parameter", in: "?x-amz-security-token=a", want: "?x-amz-security-token=[MASKED]"},
		{name: "URL parameter of another name", in: "?private_tokens=a&private_toke=b&xprivate_token=c", want: "?private_tokens=a&private_toke=b&xprivate_token=c"},
		{name: "long URL parameter", in: "?x-amz-security-token-and-more=a&rss_token=b", want: "?x-amz-security-token-and-more=a&rss_token=[MASKED]"},
		{name: "no URL parameter", in: "private_token=abc", want: "private_token=abc"},
		{name: "token", in: "glpat-abc.D_e=f-0, glpat-", want: "glpat-[MASKED], glpat-"},
		{name: "token at the end", in: "x glrt-t1_abc", want: "x glrt-[MASKED]"},
		{name: "token in a token", in: "glpat-aglrt-b!c", want: "glpat-[MASKED]!c"},
		{name: "prefix of our own", prefixes: []string{"acme-"}, in: "acme-x acme", want: "acme-[MASKED] acme"},
		{name: "few prefixes", few: true, prefixes: []string{"acme-"}, in: "glpat-a glrt-b acme-c", want: "glpat-[MASKED] glrt-b acme-[MASKED]"},
		{name: "value before prefix", masks: []string{"glpat-abc"}, in: "glpat-abcd", want: "[MASKED]d"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			secrets := newSecrets(tt.masks, append(tokenPrefixes(tt.few), tt.prefixes...), nil)
			if got := run(secrets, []byte(tt.in), nil); got != tt.want {
				t.Errorf("whole: got %q, want %q", got, tt.want)
			}
			if got := run(secrets, []byte(tt.in), []byte{0}); got != tt.want {
				t.Errorf("byte by byte: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFilterHoldsBackOnlyBeginnings(t *testing.T) {
	t.Parallel()
	secrets := newSecrets([]string{"secret", "cow"}, nil, nil)
	f := newFilter(secrets)
	for _, step := range []struct{ in, want string }{
		{"a sec", "a "},
		{"ond", "second"},
		{"secret", "[MASKED]"}, // no value begins with its end
		{"sec", ""},
		{"ow", "se[MASKED]"},
	} {
		if got := string(f.write([]byte(step.in))); got != step.want {
			t.Errorf("after %q: got %q, want %q", step.in, got, step.want)
		}
	}
}

func TestAddMaskSeesWhatIsHeldBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, before, added, after, want string }{
		{"a new value begins there", "xabcd", "bcdx", "x!", "xa[MASKED]!"},
		{"it is hidden already", "aaa", "zz", "b", "[MASKED]b"},
		{"an old value goes on", "abc", "zz", "def", "[MASKED]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			secrets := newSecrets([]string{"abcdef", "cd", "aa"}, nil, nil)
			f := newFilter(secrets)
			got := string(f.write([]byte(tt.before)))
			secrets.add(tt.added)
			got += string(f.write([]byte(tt.after)))
			if got += string(f.flush()); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// naiveMask hides the union of all occurrences the slow way.
func naiveMask(text string, masks []string) string {
	var spans []span
	for _, m := range masks {
		for i := 0; i+len(m) <= len(text); i++ {
			if text[i:i+len(m)] == m {
				spans = append(spans, span{start: i, end: i + len(m)})
			}
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.start - b.start })
	var out strings.Builder
	pos := 0
	for _, s := range spans {
		if s.start < pos {
			pos = max(pos, s.end)
			continue
		}
		out.WriteString(text[pos:s.start] + masked)
		pos = s.end
	}
	return out.String() + text[pos:]
}

func FuzzValues(f *testing.F) {
	f.Add([]byte("abcabcabd"), "abc\x00bc\x00abd", []byte{1, 2})
	f.Add([]byte("aaaaaaa"), "aa\x00aaaa", []byte{0})
	f.Add([]byte("xabcdexbcdey"), "abcdey\x00bcd\x00exb", []byte{3, 0, 1})
	f.Fuzz(func(t *testing.T, text []byte, list string, sizes []byte) {
		var masks []string
		for m := range strings.SplitSeq(list, "\x00") {
			if m != "" && len(masks) < 8 {
				masks = append(masks, m)
			}
		}
		automaton := newAutomaton(masks)
		filter := valueFilter{masks: automaton}
		var got []byte
		for i, rest := 0, text; len(rest) > 0; i++ {
			n := len(rest)
			if len(sizes) > 0 {
				n = min(n, int(sizes[i%len(sizes)])%16+1)
			}
			got = filter.write(got, rest[:n], automaton)
			rest = rest[n:]
		}
		got = filter.flush(got)
		if want := naiveMask(string(text), masks); string(got) != want {
			t.Errorf("masks %q on %q: got %q, want %q", masks, text, got, want)
		}
	})
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte("GET /a?private_token=x&glpat-=3 glrt-abc?rss_token=a\x7fb"), []byte{0})
	f.Add([]byte("?rss_token=?rss_token=&&rss_token=a b"), []byte{2, 1})
	params := regexp.MustCompile(`([?&](?i:private_token|authenticity_token|rss_token|x-amz-(?:signature|credential|security-token))=)[^?&\x00-\x20\x7f]*`)
	prefixes := regexp.MustCompile(`(` + strings.Join(tokenPrefixes(false), "|") + `)[A-Za-z0-9._=-]+`)
	secrets := newSecrets(nil, tokenPrefixes(false), nil)
	f.Fuzz(func(t *testing.T, text []byte, sizes []byte) {
		if bytes.ContainsAny(text, "ſK") {
			t.Skip("the reference folds these letters to s and k")
		}
		want := latin1(text)
		want = params.ReplaceAllString(want, "${1}[MASKED]")
		want = prefixes.ReplaceAllString(want, "${1}[MASKED]")
		if got := latin1([]byte(run(secrets, text, sizes))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	})
}

// latin1 makes every byte a character of its own, since regexp matches characters.
func latin1(p []byte) string {
	var out strings.Builder
	for _, c := range p {
		out.WriteRune(rune(c))
	}
	return out.String()
}

func BenchmarkFilter(b *testing.B) {
	var masks []string
	for i := range 30 {
		masks = append(masks, strings.Repeat(string(rune('a'+i%26)), 3)+"-secret-value-"+string(rune('a'+i%26)))
	}
	secrets := newSecrets(masks, tokenPrefixes(false), nil)
	line := "drwxr-xr-x 2 root root 4096 Nov 23 14:21 go/pkg/mod/github.com/example/module@v1.2.3/file_test.go: ok\n"
	chunk := []byte(strings.Repeat(line, 32<<10/len(line)))
	f := newFilter(secrets)
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		f.write(chunk)
	}
}
