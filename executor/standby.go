package executor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// labelStandby marks a container that waits in place of this process, to tell of the jobs that it left.
const labelStandby = "lced.standby"

// StartStandby starts a container of our own image, gives it its input, and waits until it says that it has it.
func StartStandby(ctx context.Context, e *Engine, ownImage string, c *Container, input []byte, ready string) (id string, err error) {
	id, err = e.containers.create(ctx, c, ownImage, true, map[string]string{LabelOwner: e.owner, labelStandby: "true"})
	if err != nil {
		return "", err
	}
	out, in := io.Pipe()
	res, err := e.docker.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err == nil {
		defer res.Close()
		defer context.AfterFunc(ctx, res.Close)()
		err = e.containers.start(ctx, id, c.Name)
	}
	if err == nil {
		_, err = res.Conn.Write(input)
	}
	if err != nil {
		return "", errors.Join(fmt.Errorf("start container %s: %w", c.Name, err), e.containers.remove(context.WithoutCancel(ctx), id))
	}
	err = res.CloseWrite()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, err := stdcopy.StdCopy(in, in, res.Reader)
		in.CloseWithError(errors.Join(err, io.EOF))
	}()
	line, readErr := bufio.NewReader(out).ReadString('\n')
	out.Close()
	res.Close()
	<-copied
	if strings.TrimSpace(line) != ready {
		err = errors.Join(fmt.Errorf("container %s says %q", c.Name, line), err, readErr, e.containers.remove(context.WithoutCancel(ctx), id))
	}
	return id, err
}

// Recall ends the containers that wait in place of a process with our system id, and returns the ids of those that had told
// GitLab of their jobs.
func Recall(ctx context.Context, e *Engine) (told []string, err error) {
	list, err := e.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours(e.owner).Add("label", labelStandby)})
	if err != nil {
		return nil, fmt.Errorf("look for containers that wait in place of this runner: %w", err)
	}
	var errs []error
	for _, c := range list.Items {
		errs = append(errs, e.containers.kill(ctx, c.ID))
		res, err := e.docker.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
		if err == nil && res.Container.State != nil && res.Container.State.ExitCode == 0 && !res.Container.State.Running {
			told = append(told, c.ID)
		}
		errs = append(errs, e.containers.remove(ctx, c.ID))
	}
	return told, errors.Join(errs...)
}
