package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lced-runner/executor"
	"lced-runner/internal/helper"
	"lced-runner/internal/journal"
	"lced-runner/internal/plan"
	"lced-runner/internal/trace"
	"lced-runner/jobapi"
)

// standbyTime bounds the start of the containers that wait in place of this process.
const standbyTime = 3 * time.Second

// standBy starts, for the jobs of each runner that this process leaves, a container that reports them if nobody comes back.
func standBy(ctx context.Context, r *Runner) {
	ctx, cancel := context.WithTimeoutCause(ctx, standbyTime, errors.New("the engine was too slow"))
	defer cancel()
	byEntry := map[*entry][]leftJob{}
	for _, l := range r.left {
		byEntry[l.entry] = append(byEntry[l.entry], l)
	}
	for e, lives := range byEntry {
		id, err := standByFor(ctx, e, lives)
		if err != nil {
			e.log.Warn("GitLab would wait an hour for the jobs that are left if no runner came back", "error", err)
			continue
		}
		for _, l := range lives {
			l.change(journal.Change{Standby: id})
		}
	}
}

func standByFor(ctx context.Context, e *entry, lives []leftJob) (id string, err error) {
	input, err := farewells(e, lives)
	if err != nil {
		return "", err
	}
	own, _, err := lives[0].engineFacts(ctx, e)
	if err != nil {
		return "", err
	}
	c := plan.StandbyContainer(e.config, "lced-standby-"+random())
	return executor.StartStandby(ctx, e.engine, own, c, input, helper.StandbyReady)
}

// farewells is what the container needs to report the jobs. They hold their tokens.
func farewells(e *entry, lives []leftJob) ([]byte, error) {
	var input bytes.Buffer
	after := e.global.LCED.HandoverTimeout
	for _, l := range lives {
		has, rest, err := trace.Farewell(l.trace, "Job failed (system failure): the runner was stopped, and none has taken over for %v", after)
		if err != nil {
			return nil, err
		}
		request := helper.Standby{
			GitLab: helper.GitLab{URL: e.config.URL, CACertPEM: plan.ServerCA(e.ca, l.job), ClientCertPEM: e.cert, ClientKeyPEM: e.key, UserAgent: "lced-runner " + l.Version},
			JobID:  l.job.ID, Token: l.job.Token, After: after, Debug: l.up.debug, Size: has.Size, CRC32: has.CRC32, Log: rest,
			Reason: jobapi.MapFailureReason(jobapi.ReasonRunnerSystemFailure, l.job.Features.FailureReasons),
		}
		if err := json.NewEncoder(&input).Encode(request); err != nil {
			return nil, fmt.Errorf("write down job %d: %w", l.job.ID, err)
		}
	}
	return input.Bytes(), nil
}

// recall ends what waits in this process's place. The jobs that it reported have ended.
func recall(ctx context.Context, r *Runner) (told map[string]bool) {
	told = map[string]bool{}
	for _, engine := range r.engines {
		ids, err := executor.Recall(ctx, engine)
		if err != nil {
			r.Logger.Warn("what an earlier process left to report its jobs may do so although this one is back", "error", err)
		}
		for _, id := range ids {
			told[id] = true
		}
	}
	return told
}
