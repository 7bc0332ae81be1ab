package executor

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/moby/moby/client"
)

// start starts a container. An endpoint that a crash of the engine has left behind under the container's name is removed
// first where the engine complains of it.
func (s containers) start(ctx context.Context, id, name string) error {
	_, err := s.docker.ContainerStart(ctx, id, client.ContainerStartOptions{})
	if network, leaked := leakedEndpoint(err, name); leaked {
		_, _ = s.docker.NetworkDisconnect(ctx, network, client.NetworkDisconnectOptions{Container: name, Force: true})
		_, err = s.docker.ContainerStart(ctx, id, client.ContainerStartOptions{})
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("start container %s: %w", name, err)
	if hopeless(err) {
		return &ConfigError{err}
	}
	return err
}

// leakedEndpoint reads the engine's complaint that an endpoint of this container exists already. One of another name
// belongs to somebody else.
func leakedEndpoint(err error, name string) (network string, leaked bool) {
	if err == nil {
		return "", false
	}
	match := regexp.MustCompile(`endpoint with name (\S+) already exists in network (\S+)`).FindStringSubmatch(err.Error())
	if match == nil || match[1] != name {
		return "", false
	}
	return match[2], true
}

// hopeless tells by the runtime's own words that a start will fail again, since something that the job or the configuration
// asks for cannot be: a command, user, working directory, mount, device or architecture. All else is tried again.
func hopeless(err error) bool {
	if strings.Contains(err.Error(), "dial unix") { // containerd itself is away
		return false
	}
	for _, text := range []string{
		"executable file not found", "exec format error", "no such file or directory", "permission denied: unknown", "is a directory: unknown",
		"unable to find user", "unable to find group", "not a directory", "error gathering device information",
		"could not select device driver", "unknown or invalid runtime", "minimum memory limit", "is not in a separate kernel namespace",
	} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
