package executor

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
)

// isRoot tells whether a container's user, as an image or a configuration names it, is root.
func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "" || name == "0" || name == "root"
}

// giveAway gives the plan's directories to the user of the build container's image. A failure is a warning, as with
// gitlab-runner: the job may do without.
func giveAway(ctx context.Context, j *Job) {
	if len(j.plan.Owned) == 0 || j.state.Helper == "" || isRoot(j.imageUser) {
		return
	}
	if err := again(ctx, j.engine, func(ctx context.Context) error { return changeOwner(ctx, j) }); err != nil && ctx.Err() == nil {
		j.remarks = append(j.remarks, fmt.Sprintf("the files of the job could not be given to the user %s of its image: %v", j.imageUser, err))
	}
}

func changeOwner(ctx context.Context, j *Job) error {
	if j.shell.armed == nil {
		if err := j.shell.arm(ctx); err != nil {
			return err
		}
	}
	var out, said bytes.Buffer
	on := j.engine.containers
	code, err := on.exec(ctx, j.shell.id, []string{"sh", "-c", `echo "$(id -u):$(id -g)"`}, nil, &out, io.Discard)
	ids := strings.TrimSpace(out.String())
	switch {
	case err != nil:
		return err
	case code != 0 || len(strings.Trim(ids, "0123456789:")) > 0 || len(ids) < len("0:0"):
		return fmt.Errorf("its image does not tell the ids of its user (id -u, id -g): %q, exit code %d", ids, code)
	}
	command := append(append([]string{}, j.plan.Helper.Own...), ids)
	code, err = on.exec(ctx, j.state.Helper, append(command, j.plan.Owned...), nil, io.Discard, &said)
	switch {
	case err != nil:
		return err
	case code != 0:
		return fmt.Errorf("%s ended with exit code %d: %s", strings.Join(j.plan.Helper.Own, " "), code, strings.TrimSpace(said.String()))
	}
	return nil
}
