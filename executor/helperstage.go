package executor

import (
	"cmp"
	"context"
	"time"
)

// helperStage runs one helper stage. One whose engine goes away, while its containers go on, has lost its input, which ends it, and
// begins again when the engine is back; the stages of one project wait for each other.
func helperStage(ctx context.Context, e *Engine, id string, cmd []string, request []byte, section Section) (code int, err error) {
	out, errw := section.Stream(1), section.Stream(2)
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		code, err = e.containers.exec(ctx, id, cmd, append(request[:len(request):len(request)], '\n'), out, errw)
		if (err != nil || code != 0) && !away(err) && ctx.Err() == nil {
			if code == exitKilled {
				awaitEnd(ctx, e.docker, id)
			}
			err = cmp.Or(gone(ctx, e.docker, id), err)
		}
		if err == nil || ctx.Err() != nil || !away(err) || !e.patience.lasts(attempt, begun) {
			return code, err
		}
		if err := e.await(ctx); err != nil {
			return -1, err
		}
		warn(section, "The docker engine was away for a moment: this stage begins again")
	}
}
