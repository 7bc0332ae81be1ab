package executor

import (
	"context"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// follow copies the log of a service, from its beginning to the end of the container, where the job shows such logs. Run
// waits for it: a job's containers are dead by then.
func (s *starter) follow(job context.Context, index int, id string) {
	if s.ServiceLog == nil {
		return
	}
	s.following.Go(func() {
		out, errw := s.ServiceLog(index, 1), s.ServiceLog(index, 2)
		defer out.Close()
		defer errw.Close()
		logs, err := s.engine.docker.ContainerLogs(job, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
		if err != nil {
			return // the service works without its log
		}
		defer logs.Close()
		_, _ = stdcopy.StdCopy(out, errw, logs)
	})
}
