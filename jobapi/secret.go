package jobapi

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
)

// masked is what a Secret shows of itself; GitLab's own job logs use the same word.
const masked = "[MASKED]"

// Secret is a token or password. Printing and logging it show [MASKED]; JSON carries its real value, because it goes
// on the wire and into the journal.
type Secret string

// Reveal returns the value itself, for a header, an environment or a file.
func (s Secret) Reveal() string { return string(s) }

// MadeInGitLab tells an authentication token of a runner that was made in GitLab, and that several machines may use. An
// instance may put a prefix of its own before glrt-.
func (s Secret) MadeInGitLab() bool { return strings.Contains(string(s), "glrt-") }

// Format prints [MASKED] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, masked) }

// LogValue hides the value from slog, whose JSON handler would otherwise use MarshalJSON.
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalJSON writes the real value.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(string(s)) }

// ShortToken returns the part of a runner or job token by which people recognise it: the kind prefix removed, then
// nine characters at most. It appears in log headers, metric labels and container names, and must equal gitlab-runner's.
func ShortToken(token string) string {
	rest := token[len(tokenPrefix(token)):]
	return rest[:min(9, len(rest))]
}

// tokenPrefix returns the leading kind of a token: glrt- (with the routable t1_ to t3_), glrtr-, glcbt- or the old
// registration prefix GR plus seven hex digits.
func tokenPrefix(token string) string {
	return regexp.MustCompile(`^(glrt-(t[123]_)?|t[123]_|glrtr-|glcbt-|GR[0-9a-fA-F]{7})?`).FindString(token)
}
