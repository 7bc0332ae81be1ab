package coordinator

import (
	"context"
	"fmt"
	"strings"
)

// Repository is the bare repository and the commit that a pipeline runs for.
type Repository struct {
	Dir       string // of the bare repository; empty: the pipeline has no sources
	Path      string // of the project, for example group/project; default lced/project
	SHA       string // full; empty: what Ref names
	Ref       string // short name of the branch or tag, which must be in Dir; default main
	Tag       bool   // Ref is a tag
	Protected bool   // Ref is a protected one
	BeforeSHA string // empty: zeros
	// ProjectID is the id of a project that is new to the server; 0: the next free one.
	ProjectID int64
	// DefaultBranch is the project's; empty: Ref if that is a branch, else main.
	DefaultBranch string
}

func (r Repository) withDefaults() Repository {
	if r.Path == "" {
		r.Path = "lced/project"
	}
	if r.Ref == "" {
		r.Ref = "main"
	}
	if r.DefaultBranch == "" {
		r.DefaultBranch = "main"
		if !r.Tag {
			r.DefaultBranch = r.Ref
		}
	}
	return r
}

// project is a repository that git clients may fetch.
type project struct {
	id   int64
	path string
	dir  string
}

// AddProject serves one more bare repository at <URL>/<path>.git, for example a submodule's, and returns the project's id.
// Submit does so by itself for its repository.
func (s *Server) AddProject(path, dir string) int64 {
	s.board.mu.Lock()
	defer s.board.mu.Unlock()
	return s.board.addProject(Repository{Path: path, Dir: dir}).id
}

func (b *board) addProject(r Repository) *project {
	r = r.withDefaults()
	p, known := b.projects[r.Path]
	if !known {
		if r.ProjectID == 0 {
			r.ProjectID = int64(len(b.projects)) + 1
		}
		p = &project{id: r.ProjectID, path: r.Path}
		b.projects[r.Path] = p
	}
	if r.Dir != "" {
		p.dir = r.Dir
	}
	return p
}

// commit is what the CI_COMMIT variables tell.
type commit struct {
	sha       string
	author    string // name <email>
	timestamp string // ISO 8601
	message   string
}

type repositoryFacts struct {
	commit  commit
	objects string // sha1 or sha256
}

func readRepository(ctx context.Context, r Repository) (repositoryFacts, error) {
	if r.Dir == "" {
		return repositoryFacts{commit: commit{sha: strings.Repeat("0", 40)}, objects: "sha1"}, nil
	}
	r = r.withDefaults()
	name := r.SHA
	switch {
	case name != "":
	case r.Tag:
		name = "refs/tags/" + r.Ref
	default:
		name = "refs/heads/" + r.Ref
	}
	objects, err := git(ctx, r.Dir, "rev-parse", "--show-object-format")
	if err != nil {
		return repositoryFacts{}, fmt.Errorf("reading the repository of %s: %w", r.Path, err)
	}
	text, err := git(ctx, r.Dir, "log", "-1", "--no-show-signature", "--format=%H%n%an <%ae>%n%aI%n%B", "--end-of-options", name+"^{commit}")
	if err != nil {
		return repositoryFacts{}, fmt.Errorf("reading commit %s of %s: %w", name, r.Path, err)
	}
	fields := strings.SplitN(text, "\n", 4)
	if len(fields) < 4 {
		fields = append(fields, make([]string, 4-len(fields))...)
	}
	return repositoryFacts{
		commit:  commit{sha: fields[0], author: fields[1], timestamp: fields[2], message: fields[3]},
		objects: objects,
	}, nil
}
