package executor

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// fallen looks, before the job's containers are killed, at the services that the job cannot do without: those that have
// ended meanwhile, or in which the kernel killed a process for want of memory, may be why its script failed.
func fallen(ctx context.Context, j *Job) []*ServiceError {
	var found []*ServiceError
	on := j.engine.containers
	for i := range j.plan.Services {
		svc := &j.plan.Services[i]
		if !svc.Ready.Must {
			continue
		}
		res, err := on.docker.ContainerInspect(ctx, svc.Name, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			found = append(found, &ServiceError{Service: svc.Title, Removed: true})
			continue
		}
		if err != nil || res.Container.State == nil {
			continue // the job has failed anyway, and this would only have said more about it
		}
		if st := res.Container.State; !st.Running || st.OOMKilled {
			found = append(found, &ServiceError{
				Service: svc.Title, Exited: !st.Running, ExitCode: st.ExitCode, OOMKilled: st.OOMKilled, Log: on.logTail(ctx, svc.Name),
			})
		}
	}
	return found
}

// finishTimeout bounds the commands that services run when the user's steps are over.
const finishTimeout = 2 * time.Minute

// finish runs them. One that fails, as where the service has ended, leaves things as the job made them.
func finish(ctx context.Context, j *Job) {
	ctx, cancel := context.WithTimeoutCause(ctx, finishTimeout, errors.New("a service did not finish in time"))
	defer cancel()
	for i := range j.plan.Services {
		if svc := &j.plan.Services[i]; svc.Finish != nil && ctx.Err() == nil {
			_, _ = j.engine.containers.exec(ctx, svc.Name, svc.Finish, nil, io.Discard, io.Discard)
		}
	}
}

// tellFallen says in the section of a script that has failed which other services had failed by then, with the last lines of
// their logs: a script whose database is gone tells of a refused connection only.
func tellFallen(ctx context.Context, on containers, failure error, services []Service, section Section) {
	if _, failed := errors.AsType[*ExitError](failure); !failed {
		return
	}
	for _, svc := range services {
		if svc.Ready.Must {
			continue
		}
		res, err := on.docker.ContainerInspect(ctx, svc.Name, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			warn(section, "%v", &ServiceError{Service: svc.Title, Removed: true})
			continue
		}
		if err != nil || res.Container.State == nil {
			continue
		}
		st := res.Container.State
		if st.Running || st.ExitCode == 0 {
			continue
		}
		why := ""
		if st.OOMKilled {
			why = ", as it ran out of memory"
		}
		warn(section, "service %s had ended with exit code %d by then%s. The last lines of its log:", svc.Title, st.ExitCode, why)
		section.Plain("%s", strings.TrimRight(string(on.logTail(ctx, res.Container.ID)), "\n"))
	}
}
