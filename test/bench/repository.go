package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/moby/moby/client"

	"lced-runner/internal/coordinator"
)

// repositories makes the repositories of the cases below a directory, each once.
type repositories struct {
	dir  string
	made map[int]coordinator.Repository
}

// of is a repository of so many files, a README among them.
func (r *repositories) of(ctx context.Context, files int) (coordinator.Repository, error) {
	files = max(1, files)
	if made, ok := r.made[files]; ok {
		return made, nil
	}
	tree := filepath.Join(r.dir, fmt.Sprintf("tree-%d", files))
	for i := range files {
		name, text := "README", "a file of the repository\n"
		if i > 0 {
			name, text = fmt.Sprintf("%d/%d", i/100, i), fmt.Sprintf("file %d of the repository\n", i)
		}
		path := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return coordinator.Repository{}, err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return coordinator.Repository{}, err
		}
	}
	if err := gitInit(ctx, tree); err != nil {
		return coordinator.Repository{}, err
	}
	made, err := coordinator.Snapshot(ctx, tree, filepath.Join(r.dir, fmt.Sprintf("bare-%d", files)))
	made.Path = fmt.Sprintf("bench/files-%d", files)
	r.made[files] = made
	return made, err
}

// gitInit makes a repository of a directory, with one commit.
func gitInit(ctx context.Context, dir string) error {
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "-A"},
		{"-c", "user.name=bench", "-c", "user.email=bench@example.com", "commit", "-q", "-m", "files"},
	} {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}

// gateway is the host's address on the engine's default bridge, which containers reach.
func gateway(ctx context.Context, docker *client.Client) (string, error) {
	res, err := docker.NetworkInspect(ctx, "bridge", client.NetworkInspectOptions{})
	if err != nil {
		return "", fmt.Errorf("look for the engine's default bridge: %w", err)
	}
	for _, c := range res.Network.IPAM.Config {
		if c.Gateway != (netip.Addr{}) && c.Gateway.Is4() {
			return c.Gateway.String(), nil
		}
	}
	return "", errors.New("the engine's default bridge has no address")
}
