package registration

import (
	"errors"
	"fmt"
	"strings"

	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// Selection says which runners of the file are meant. What is empty does not matter.
type Selection struct {
	Name  string
	URL   string
	Token jobapi.Secret
	ID    int64
	All   bool // every one, whatever else is said
}

// Empty tells that nothing was said.
func (s Selection) Empty() bool { return s == Selection{} }

// of lists the indexes of the runners that are meant. That there is none is an error.
func (s Selection) of(c *config.Config) ([]int, error) {
	var found []int
	for i, r := range c.Runners {
		same := (s.Name == "" || s.Name == r.Name) && (s.URL == "" || sameURL(s.URL, r.URL)) && (s.Token == "" || s.Token == r.Token) && (s.ID == 0 || s.ID == r.ID)
		if s.All || same {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no runner in the configuration has %s: `list` shows those that are there", s.words())
	}
	return found, nil
}

// words names what was asked for.
func (s Selection) words() string {
	var words []string
	if s.Name != "" {
		words = append(words, fmt.Sprintf("the name %q", s.Name))
	}
	if s.URL != "" {
		words = append(words, "the url "+s.URL)
	}
	if s.Token != "" {
		words = append(words, "this token")
	}
	if s.ID != 0 {
		words = append(words, fmt.Sprintf("the id %d", s.ID))
	}
	if len(words) == 0 {
		return "anything at all: there is no [[runners]]"
	}
	return strings.Join(words, " and ")
}

// choose reads the file and returns what is meant, as it is there. Where only one is allowed to be meant, two are an error.
func (m *Machine) choose(s Selection, several bool) ([]config.Runner, error) {
	c, _, err := config.Load(m.File, m.Env)
	if err != nil {
		return nil, err
	}
	found, err := s.of(c)
	if err != nil {
		return nil, err
	}
	if !several && !s.All && len(found) > 1 {
		return nil, fmt.Errorf("%d runners in the configuration have %s: say which one with --url and --token, or take --all-runners", len(found), s.words())
	}
	var chosen []config.Runner
	for _, i := range found {
		chosen = append(chosen, c.Runners[i])
	}
	return chosen, nil
}

// errChanged says that the file is not any more as it was when the runner was chosen.
var errChanged = errors.New("the runner has been taken out of the configuration meanwhile")

// find lists the runners of the file as it is now that are that one to GitLab: by its url and token.
func find(f *config.File, r *config.Runner) ([]int, error) {
	var found []int
	for i, other := range f.Config().Runners {
		if other.RawURL == r.RawURL && other.RawToken == r.RawToken {
			found = append(found, i)
		}
	}
	if found == nil {
		return nil, errChanged
	}
	return found, nil
}

func sameURL(a, b string) bool { return strings.TrimRight(a, "/") == strings.TrimRight(b, "/") }
