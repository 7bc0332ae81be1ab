package coordinator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Snapshot makes a bare repository in the directory bare, which must not exist or be empty, from the working tree that dir
// lies in: its commit is HEAD if nothing changed, else one more commit on top of it with all uncommitted and untracked
// changes that are not ignored. Branches and tags are there too.
//
// The user's repository, index and refs stay untouched: the index is a copy, new objects go into the bare repository,
// and the old ones are borrowed from the user's. Keep that in place, and remove bare afterwards. Path and ProjectID of the
// result are left to the caller.
func Snapshot(ctx context.Context, dir, bare string) (Repository, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return Repository{}, errors.New("taking a snapshot needs git: install it")
	}
	tree, err := readWorkTree(ctx, dir)
	if err != nil {
		return Repository{}, err
	}
	if bare, err = filepath.Abs(bare); err != nil {
		return Repository{}, fmt.Errorf("finding the directory for the snapshot: %w", err)
	}
	if err := tree.makeBare(ctx, bare); err != nil {
		return Repository{}, fmt.Errorf("making a bare repository for the snapshot of %s: %w", tree.top, err)
	}
	sha, err := tree.commit(ctx, bare)
	if err != nil {
		return Repository{}, fmt.Errorf("taking a snapshot of %s: %w", tree.top, err)
	}
	for _, args := range [][]string{
		{"update-ref", "refs/heads/" + tree.branch, sha},
		{"symbolic-ref", "HEAD", "refs/heads/" + tree.branch},
	} {
		if _, err := git(ctx, bare, args...); err != nil {
			return Repository{}, fmt.Errorf("taking a snapshot of %s: %w", tree.top, err)
		}
	}
	repository := Repository{Dir: bare, SHA: sha, Ref: tree.branch}
	if sha != tree.head {
		repository.BeforeSHA = tree.head
	}
	return repository, nil
}

// workTree is what a snapshot needs to know about the user's repository. Paths are absolute.
type workTree struct {
	top     string
	objects string // the object directory
	index   string
	shallow string // the file that lists where a shallow clone ends; may not exist
	format  string // sha1 or sha256
	head    string // empty before the first commit
	branch  string // "detached" if HEAD is on none
}

func readWorkTree(ctx context.Context, dir string) (workTree, error) {
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return workTree{}, fmt.Errorf("%s is no git working tree: run this inside of one, or make one with git init: %w", dir, err)
	}
	text, err := git(ctx, top, "rev-parse", "--path-format=absolute", "--show-object-format",
		"--git-path", "objects", "--git-path", "index", "--git-path", "shallow")
	fields := strings.Split(text, "\n")
	if err == nil && len(fields) != 4 {
		err = fmt.Errorf("git rev-parse said %q", text)
	}
	if err != nil {
		return workTree{}, fmt.Errorf("reading the git repository of %s: %w", top, err)
	}
	tree := workTree{top: top, format: fields[0], objects: fields[1], index: fields[2], shallow: fields[3], branch: "detached"}
	// Each of the two has a good reason to fail: no commit yet, and no branch.
	if head, err := git(ctx, top, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"); err == nil {
		tree.head = head
	}
	if branch, err := git(ctx, top, "symbolic-ref", "--quiet", "--short", "HEAD"); err == nil {
		tree.branch = branch
	}
	return tree, nil
}

// makeBare makes the repository that borrows the user's objects and has the same branches and tags.
func (t workTree) makeBare(ctx context.Context, bare string) error {
	if _, err := git(ctx, t.top, "init", "--quiet", "--bare", "--template=", "--object-format="+t.format, "--", bare); err != nil {
		return err
	}
	info := filepath.Join(bare, "objects", "info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(info, "alternates"), []byte(t.objects+"\n"), 0o644); err != nil {
		return err
	}
	if err := copyFile(t.shallow, filepath.Join(bare, "shallow")); err != nil {
		return err
	}
	refs, err := git(ctx, t.top, "for-each-ref", "--format=create %(refname) %(objectname)", "refs/heads", "refs/tags")
	if err != nil || refs == "" {
		return err
	}
	command := gitCommand(ctx, bare, "update-ref", "--stdin")
	command.Stdin = strings.NewReader(refs + "\n")
	_, err = output(command)
	return err
}

// commit writes the state of the working tree into the bare repository and returns its commit.
func (t workTree) commit(ctx context.Context, bare string) (string, error) {
	index := filepath.Join(bare, "snapshot-index")
	// The copy keeps what is tracked although it is ignored, and spares reading unchanged files.
	if err := copyFile(t.index, index); err != nil {
		return "", err
	}
	defer os.Remove(index)
	run := func(args ...string) (string, error) {
		// Nothing of the user's may run or be written: no hook, no monitor, no second index file.
		quiet := []string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.splitIndex=false"}
		command := gitCommand(ctx, t.top, append(quiet, args...)...)
		command.Env = append(command.Env,
			"GIT_INDEX_FILE="+index,
			"GIT_OBJECT_DIRECTORY="+filepath.Join(bare, "objects"),
			// Who made the snapshot is of no interest, and git may not know the user.
			"GIT_AUTHOR_NAME=lced-runner exec", "GIT_AUTHOR_EMAIL=exec@localhost",
			"GIT_COMMITTER_NAME=lced-runner exec", "GIT_COMMITTER_EMAIL=exec@localhost",
		)
		return output(command)
	}
	if _, err := run("add", "--all", "--", "."); err != nil {
		return "", err
	}
	tree, err := run("write-tree")
	if err != nil {
		return "", err
	}
	args := []string{"commit-tree", "--no-gpg-sign", "-m", "Working tree of " + t.branch}
	if t.head != "" {
		committed, err := run("rev-parse", t.head+"^{tree}")
		if err != nil {
			return "", err
		}
		if committed == tree {
			return t.head, nil
		}
		args = append(args, "-p", t.head)
	}
	return run(append(args, tree)...)
}

// copyFile copies a file if there is one.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
