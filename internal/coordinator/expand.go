package coordinator

import (
	"regexp"
	"slices"
	"strings"
)

// reference matches what GitLab expands: $NAME, ${NAME} and %NAME%. $$ and %% are matched first and stay as they are.
func reference() *regexp.Regexp {
	return regexp.MustCompile(`\$\$|%%|\$([a-zA-Z_][a-zA-Z0-9_]*)|\$\{([a-zA-Z_][a-zA-Z0-9_]*)\}|%([a-zA-Z_][a-zA-Z0-9_]*)%`)
}

// expandAll expands references between variables before they are sent, recursively, as GitLab does. Raw variables stay as
// they are; references to raw, file and unknown variables are left to the runner. With a circle nothing is expanded.
func expandAll(variables []Variable) []Variable {
	e := expander{pattern: reference(), source: variables, last: map[string]int{}, out: slices.Clone(variables), state: make([]visit, len(variables))}
	for i, v := range variables {
		e.last[v.Key] = i
	}
	for i := range variables {
		e.visit(i)
	}
	if e.circle {
		return variables
	}
	return e.out
}

type visit int

const (
	unseen visit = iota
	inWork
	done
)

type expander struct {
	pattern *regexp.Regexp
	source  []Variable
	last    map[string]int // index of the last definition of a key, the one that counts
	out     []Variable
	state   []visit
	circle  bool
}

func (e *expander) visit(i int) {
	if e.state[i] != unseen {
		e.circle = e.circle || e.state[i] == inWork
		return
	}
	e.state[i] = inWork
	if v := e.source[i]; !v.Raw {
		e.out[i].Value = replaceReferences(e.pattern, v.Value, func(name string) (string, bool) {
			at, known := e.last[name]
			if !known || at == i || e.source[at].Raw || e.source[at].File {
				return "", false // a reference to itself is no circle: the runner resolves it
			}
			e.visit(at)
			return e.out[at].Value, true
		})
	}
	e.state[i] = done
}

func replaceReferences(pattern *regexp.Regexp, text string, value func(name string) (string, bool)) string {
	if !strings.ContainsAny(text, "$%") {
		return text
	}
	return pattern.ReplaceAllStringFunc(text, func(match string) string {
		if name := strings.Trim(match, "${}%"); name != "" {
			if with, ok := value(name); ok {
				return with
			}
		}
		return match
	})
}

// expandTags expands variables in the tags of a job; GitLab matches the result with the runners' tags.
func expandTags(tags []string, variables []Variable) []string {
	values := map[string]string{}
	for _, v := range expandAll(variables) {
		values[v.Key] = v.Value
	}
	var out []string
	for _, tag := range tags {
		out = append(out, replaceReferences(reference(), tag, func(name string) (string, bool) {
			value, ok := values[name]
			return value, ok
		}))
	}
	return out
}
