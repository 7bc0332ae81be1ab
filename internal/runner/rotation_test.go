package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
	"lced-runner/internal/status"
)

// rotator is a runner with one entry, whose token GitLab lets end soon.
func rotator(t *testing.T, lifetime time.Duration, extra string) (*Runner, *poller, *coordinator.Server, *strings.Builder) {
	t.Helper()
	listener := httptest.NewUnstartedServer(nil)
	url := "http://" + listener.Listener.Addr().String()
	gitlab, err := coordinator.New(coordinator.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	listener.Config.Handler = gitlab.Handler()
	listener.Start()
	t.Cleanup(listener.Close)
	gitlab.AddRunner(coordinator.Runner{Token: "glrt-old", ID: 5, TokenLifetime: time.Hour})
	file := filepath.Join(t.TempDir(), "config.toml")
	now := time.Now().UTC()
	text := fmt.Sprintf("# mine\n[[runners]]\n  url = %q\n  token = \"glrt-old\" # the first\n  token_obtained_at = %s\n  token_expires_at = %s\n  executor = \"docker\"\n%s  [runners.docker]\n    image = \"alpine\"\n",
		url, now.Format(time.RFC3339Nano), now.Add(lifetime).Format(time.RFC3339Nano), extra)
	// Two entries may have one token, which ends for both.
	if err := os.WriteFile(file, []byte(text+strings.ReplaceAll(text, "# mine\n", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string { return map[string]string{"GLRT": "glrt-old"}[name] }
	c, _, err := config.Load(file, env)
	if err != nil {
		t.Fatal(err)
	}
	c.Runners[0].Name = "the host's" // which the file does not have
	log := &strings.Builder{}
	o := Options{Config: c, ConfigFile: file, SystemID: "r_0123456789ab", Env: env, Logger: slog.New(slog.NewTextHandler(log, nil)), Status: status.New(status.Options{})}
	r := &Runner{connections: connections{Options: o}}
	e := &entry{config: &c.Runners[0], global: c, log: o.Logger, status: quiet(), replaced: make(chan struct{})}
	if e.api, err = r.client(c, e.config, e.status); err != nil {
		t.Fatal(err)
	}
	p := newPoller(e)
	p.introduced.Do(func() {})
	return r, p, gitlab, log
}

func TestTokenIsRenewed(t *testing.T) {
	t.Parallel()
	r, p, gitlab, log := rotator(t, 2*time.Second, "")
	first := p.entry()
	ctx, stop := context.WithCancelCause(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.keepToken(ctx, p) }()
	select {
	case <-first.replaced:
	case <-time.After(time.Minute):
		t.Error("the token was not renewed")
	}
	stop(errors.New("the test has ended"))
	<-done
	known, now := coordinator.RunnersOf(gitlab)[0], p.entry()
	if known.Token == "glrt-old" || now.config.Token.Reveal() != known.Token || time.Until(now.config.TokenExpiresAt) < 50*time.Minute {
		t.Errorf("GitLab has %q, the runner %q until %s\n%s", known.Token, now.config.Token.Reveal(), now.config.TokenExpiresAt, log)
	}
	if _, err := now.api.Verify(t.Context()); err != nil {
		t.Errorf("the new token is of no use: %v", err)
	}
	text, err := os.ReadFile(r.ConfigFile)
	if err != nil || strings.Count(string(text), "token = \""+known.Token+"\" # the first") != 2 || !strings.HasPrefix(string(text), "# mine\n") {
		t.Errorf("the file, %v:\n%s", err, text)
	}
	if strings.Contains(log.String(), "level=ERROR") || strings.Contains(log.String(), known.Token) {
		t.Errorf("the log:\n%s", log)
	}
	for _, v := range gitlab.Violations() {
		t.Error(v)
	}
}

// TestLostTokenIsKept lets the file be out of reach when GitLab has given the new token: the runner goes on with it and
// saves it when it can.
func TestLostTokenIsKept(t *testing.T) {
	t.Parallel()
	r, p, gitlab, log := rotator(t, -time.Hour, "")
	good, err := os.ReadFile(r.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	k := &rotation{Runner: r, poller: p}
	// An inline list can be read, but not be changed.
	inline := fmt.Sprintf("runners = [{url = %q, token = \"glrt-old\", executor = \"docker\", docker = {image = \"alpine\"}}]\n", p.entry().config.URL)
	if err := os.WriteFile(r.ConfigFile, []byte(inline), 0o600); err != nil {
		t.Fatal(err)
	}
	k.renew(t.Context(), p.entry())
	token := coordinator.RunnersOf(gitlab)[0].Token
	if k.lost == nil || k.failures != 1 || p.entry().config.Token.Reveal() != token || token == "glrt-old" {
		t.Fatalf("lost %v after %d failures, the token is %q, want %q\n%s", k.lost, k.failures, p.entry().config.Token.Reveal(), token, log)
	}
	if err := os.WriteFile(r.ConfigFile, good, 0o600); err != nil {
		t.Fatal(err)
	}
	k.renew(t.Context(), p.entry())
	if text, _ := os.ReadFile(r.ConfigFile); k.lost != nil || k.failures != 0 || !strings.Contains(string(text), token) {
		t.Errorf("the token is not saved:\n%s\n%s", text, log)
	}
	if strings.Contains(log.String(), token) {
		t.Errorf("the log shows the token:\n%s", log)
	}
}

func TestTokenIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ extra, want string }{
		"flag":     {"  [runners.feature_flags]\n    FF_DISABLE_AUTOMATIC_TOKEN_ROTATION = true\n", "FF_DISABLE_AUTOMATIC_TOKEN_ROTATION is set"},
		"variable": {"", "$GLRT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, p, gitlab, log := rotator(t, -time.Hour, test.extra)
			e := p.entry()
			if name == "variable" {
				e.config.RawToken = "$GLRT"
			}
			k := &rotation{Runner: r, poller: p}
			for range 3 {
				if k.due(e) {
					t.Error("the token is to be renewed")
				}
			}
			if strings.Count(log.String(), "is not renewed") != 1 || !strings.Contains(log.String(), test.want) {
				t.Errorf("want one warning with %q:\n%s", test.want, log)
			}
			if got := coordinator.RunnersOf(gitlab)[0].Token; got != "glrt-old" {
				t.Errorf("GitLab has %q", got)
			}
		})
	}
}

// TestRenewalUnderAWrongClock: a token that looks as if it had ended although it is new is not renewed again at once.
func TestRenewalUnderAWrongClock(t *testing.T) {
	t.Parallel()
	r, p, gitlab, log := rotator(t, -time.Hour, "")
	k := &rotation{Runner: r, poller: p}
	if !k.due(p.entry()) {
		t.Fatal("the token is not to be renewed")
	}
	k.renew(t.Context(), p.entry())
	fresh := p.entry()
	if fresh.config.Token.Reveal() != coordinator.RunnersOf(gitlab)[0].Token {
		t.Fatalf("the token was not renewed\n%s", log)
	}
	fresh.config.TokenExpiresAt = time.Now().AddDate(-10, 0, 0) // as a clock has it that is ten years ahead
	again := k.due(fresh)
	if again = k.due(fresh) || again; again || strings.Count(log.String(), "is the clock of this machine right?") != 1 {
		t.Errorf("the token is to be renewed again, or not just one warning says why not:\n%s", log)
	}
	k.renewed = time.Now().Add(-renewedPause)
	if !k.due(fresh) {
		t.Error("the token is never renewed again")
	}
}

// TestRotationFails leaves the old token in use, and asks more and more seldom.
func TestRotationFails(t *testing.T) {
	t.Parallel()
	r, p, gitlab, log := rotator(t, -time.Hour, "")
	gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointReset, Status: http.StatusForbidden})
	k := &rotation{Runner: r, poller: p}
	first := p.entry()
	k.renew(t.Context(), first)
	if k.failures != 1 || k.lost != nil || p.entry() != first || !strings.Contains(log.String(), "403") {
		t.Errorf("%d failures, lost %v\n%s", k.failures, k.lost, log)
	}
	for failures, most := range map[int]time.Duration{1: time.Minute, 2: 2 * time.Minute, 7: time.Hour, 1000: time.Hour} {
		for range 50 {
			if got := rotationBackOff(failures); got < most/2 || got > most {
				t.Errorf("after %d failures: %s, want %s to %s", failures, got, most/2, most)
			}
		}
	}
}

// TestRefusalWhileRenewed: GitLab has ended the old token, and the answer with the new one is on its way.
func TestRefusalWhileRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, fresh := entryWith(0), entryWith(0)
		p := newPoller(old)
		if p.outdated(t.Context(), old) {
			t.Error("nobody asks for another token, and the refusal does not count")
		}
		p.renewing.Store(true)
		judged := make(chan bool, 2)
		ask := func() { judged <- p.outdated(t.Context(), old) }
		go ask()
		time.Sleep(time.Minute)
		if len(judged) > 0 {
			t.Error("judged before it is known whether the token is a new one")
		}
		p.succeed(old, fresh)
		if !<-judged {
			t.Error("a refusal of the old token counts")
		}
		p.renewing.Store(false)
		go ask()
		if !<-judged {
			t.Error("an answer that comes late counts")
		}
	})
}
