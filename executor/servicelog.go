package executor

import (
	"context"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// follow copies the log of a service, from its beginning to the end of the container, where the job shows such logs. Run
// waits for it: a job's containers are dead by then.
func (j *Job) follow(ctx context.Context, index int, id string) {
	if j.ServiceLog == nil {
		return
	}
	j.following.Go(func() {
		out, errw := j.ServiceLog(index, 1), j.ServiceLog(index, 2)
		defer out.Close()
		defer errw.Close()
		logs, err := j.engine.docker.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
		if err != nil {
			return // the service works without its log
		}
		defer logs.Close()
		_, _ = stdcopy.StdCopy(out, errw, logs)
	})
}
