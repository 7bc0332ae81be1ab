package executor

import (
	"context"

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
