package runner

import (
	"context"
	"errors"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/plan"
	"lced-runner/internal/session"
	"lced-runner/jobapi"
)

// listenForTerminals starts the server of web terminals to listen; nil where the configuration wants none.
func (cs *connections) listenForTerminals(c config.SessionServer) (err error) {
	cs.terminals = c
	if c.ListenAddress == "" {
		return nil
	}
	cs.sessions, err = session.Listen(session.Options{
		Listen: c.ListenAddress, Advertise: c.AdvertiseAddress, Timeout: c.Timeout, Logger: cs.Logger,
	})
	return err
}

// serveTerminals answers until stop is called.
func (cs *connections) serveTerminals(ctx context.Context) (stop func()) {
	if cs.sessions == nil {
		return func() {}
	}
	ctx, end := context.WithCancelCause(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := cs.sessions.Serve(ctx); err != nil {
			cs.Logger.Error("there are no web terminals any more", "error", err)
		}
	}()
	return func() {
		end(errors.New("the runner has stopped"))
		<-done
	}
}

// openTerminal makes the slot's session, as the request tells GitLab of it; nil without web terminals.
func (sl *slot) openTerminal(sessions *session.Server) *jobapi.Session {
	sl.session = sessions.Open()
	if sl.session == nil {
		return nil
	}
	url, certificate, authorization := sl.session.Address()
	return &jobapi.Session{URL: url, Certificate: certificate, Authorization: jobapi.Secret(authorization)}
}

// offerTerminal lets the user into the job's container, and keeps that as the script left it while the user is there.
func (l *life) offerTerminal(run *executor.Job) {
	if l.slot.session == nil {
		return
	}
	l.slot.session.Offer(func(ctx context.Context) (session.Shell, error) {
		terminal, err := run.Terminal(ctx, plan.TerminalBegin)
		if err != nil {
			return nil, err
		}
		return terminal, nil
	})
	run.Hold = func(ctx context.Context, log executor.Section) { l.slot.session.Wait(ctx, log.Plain) }
}
