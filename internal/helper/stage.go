package helper

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

var (
	errBadRequest  = errors.New("unusable request")
	errStdinClosed = errors.New("the runner closed the stage's input")
)

// stage is one stage at work.
type stage struct {
	*Request
	commands
	// pause waits between two attempts.
	pause func(context.Context, time.Duration) error
}

// Stage does what the request on the first line of in asks, and returns the exit code: 0, the code of the command that
// failed (128 + signal if it was killed), [ExitBadRequest], or 1. The end of in, or of ctx, kills the commands that the
// stage has started. env is the environment of the process, NAME=value; out and errw are the job log of the stage.
//
// It sets the umask of the process, and a reader of in stays behind when it returns, since a read of stdin cannot be
// interrupted: the process is expected to exit.
func Stage(ctx context.Context, in io.Reader, out, errw io.Writer, env []string) int {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lines := bufio.NewReader(in)
	req, err := readRequest(lines)
	if err == nil {
		go func() {
			io.Copy(io.Discard, lines)
			cancel(errStdinClosed)
		}()
		s := stage{Request: req, commands: commands{out: out, errw: errw, env: env}, pause: sleep}
		err = s.perform(ctx)
	}
	return exitCode(err, errw)
}

func readRequest(lines *bufio.Reader) (*Request, error) {
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("%w: read the line that holds it: %w", errBadRequest, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	req := new(Request)
	if err := decoder.Decode(req); err != nil {
		return nil, fmt.Errorf("%w: %w; runner and helper must be of the same version", errBadRequest, err)
	}
	return req, req.checkDirectories()
}

// perform does what all stages have in common and then the stage's own work.
func (s *stage) perform(ctx context.Context) error {
	work, err := s.work()
	if err != nil {
		return err
	}
	syscall.Umask(s.Umask)
	if err := realDir(s.BuildsDir, s.TempDir); err != nil {
		return err
	}
	if err := openToAll(s.TempDir); err != nil {
		return err
	}
	s.lock, err = lockStage(ctx, s.TempDir, s.out)
	if err != nil {
		return err
	}
	defer unlockStage(s.lock)
	if err := s.writeFileVariables(); err != nil {
		return err
	}
	return work(ctx)
}

// work finds what belongs to the stage's name.
func (s *stage) work() (func(context.Context) error, error) {
	var missing bool
	var work func(context.Context) error
	switch s.Stage {
	case StagePrepare:
		missing, work = s.Prepare == nil, s.prepare
	case StageGetSources:
		missing = s.Sources == nil
		work = func(ctx context.Context) error { return (&sources{stage: *s}).get(ctx) }
	case StageDownload:
		missing = s.Download == nil
		work = func(ctx context.Context) error {
			return withArtifacts(s, &s.Download.GitLab, func(a artifacts) error { return a.download(ctx) })
		}
	case StageUploadOnSuccess, StageUploadOnFailure:
		missing = s.Upload == nil
		work = func(ctx context.Context) error {
			return withArtifacts(s, &s.Upload.GitLab, func(a artifacts) error { return a.upload(ctx) })
		}
	case StageRestoreCache:
		missing, work = s.Cache == nil, (&caching{stage: s}).restore
	case StageArchiveCache, StageArchiveOnFailure:
		missing, work = s.Cache == nil, (&caching{stage: s}).archive
	case StageCleanup:
		missing, work = s.Cleanup == nil, s.cleanup
	default:
		return nil, fmt.Errorf("%w: unknown stage %q; runner and helper must be of the same version", errBadRequest, s.Stage)
	}
	if missing {
		return nil, fmt.Errorf("%w: it says nothing about its stage %s", errBadRequest, s.Stage)
	}
	return work, nil
}

// exitCode turns the result of a stage into its exit code, and tells the user about an error that no command has told.
func exitCode(err error, errw io.Writer) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal())
		}
		return exit.ExitCode()
	}
	fmt.Fprintf(errw, "%sERROR: %v%s\n", boldRed, err, noColour)
	if errors.Is(err, errBadRequest) {
		return ExitBadRequest
	}
	return 1
}
