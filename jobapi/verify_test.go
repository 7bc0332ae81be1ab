package jobapi

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		reply    reply
		want     Verified
		fails    bool
		dead     bool
		orphaned bool
	}{
		"never expires": {
			reply: reply{status: 200, body: `{"id": 9, "token": "glrt-x", "token_expires_at": null}`},
			want:  Verified{ID: 9, Token: "glrt-x"},
		},
		"expires": {
			reply: reply{status: 200, body: `{"id": 9, "token": "glrt-x", "token_expires_at": "2026-03-01T09:15:27.004Z"}`},
			want:  Verified{ID: 9, Token: "glrt-x", TokenExpiresAt: time.Date(2026, 3, 1, 9, 15, 27, 4e6, time.UTC)},
		},
		"server before 15": {reply: reply{status: 200, body: "200\n"}},
		"captive portal":   {reply: reply{status: 200, body: "<html>"}, fails: true},
		"dead":             {reply: reply{status: 403, body: `{"message":"403 Forbidden"}`}, fails: true, dead: true},
		"orphaned":         {reply: reply{status: 422}, fails: true, orphaned: true},
		"not GitLab":       {reply: reply{status: 404}, fails: true},
		"server fault":     {reply: reply{status: 502}, fails: true},
		"no answer":        {reply: reply{}, fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, _ := start(t, Options{}, test.reply)
				got, err := client.Verify(t.Context())
				if err == nil && strings.HasPrefix(test.reply.body, "{") && time.Since(got.Now).Abs() > time.Second {
					t.Errorf("the server's clock is %s", got.Now)
				}
				got.Now = time.Time{}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				if (err != nil) != test.fails || errors.Is(err, ErrTokenRefused) != test.dead || errors.Is(err, ErrOrphaned) != test.orphaned {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// Checklist 24: the first request of a fresh install carries every feature, true or false.
func TestVerifyIntroducesTheRunner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{}, reply{status: 200, body: "200"})
		if _, err := client.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := fake.requests()[0]
		if line := r.method + " " + r.uri; line != "POST /api/v4/runners/verify" {
			t.Error(line)
		}
		if token := r.header.Get("Runner-Token"); token != runnerToken.Reveal() {
			t.Errorf("runner token %q", token)
		}
		info := DefaultInfo("", "")
		got := fields(t, r.body)
		want := map[string]any{
			"token": runnerToken.Reveal(), "system_id": "r_0123456789ab",
			"info": map[string]any{
				"name": "lced-runner", "version": "1.2.3", "revision": "abcdef", "executor": "docker", "shell": "bash",
				"platform": info.Platform, "architecture": info.Architecture,
				"config": map[string]any{"gpus": ""},
				"features": map[string]any{
					"variables": true, "image": true, "services": true, "service_variables": true,
					"service_multiple_aliases": true, "image_executor_opts": true, "service_executor_opts": true,
					"artifacts": true, "upload_multiple_artifacts": true, "upload_raw_artifacts": true,
					"artifacts_exclude": true, "cache": true, "fallback_cache_keys": true,
					"refspecs": true, "masking": true, "raw_variables": true, "multi_build_steps": true,
					"return_exit_code": true, "job_inputs": true, "trace_reset": true, "trace_checksum": true,
					"trace_size": true, "cancelable": true, "cancel_gracefully": true, "two_phase_job_commit": true,
					"vault_secrets": false, "session": false, "terminal": false, "proxy": false, "shared": false,
					"native_steps_integration": false,
				},
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
