package jobapi

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUpdateJobReplies(t *testing.T) {
	t.Parallel()
	type header = map[string]string
	tests := map[string]struct {
		reply reply
		want  UpdateReply
	}{
		"accepted":            {reply{status: 200, body: "200"}, UpdateReply{Outcome: Accepted}},
		"accepted, canceling": {reply{status: 200, header: header{"Job-Status": "canceling"}}, UpdateReply{Outcome: Accepted, Canceling: true}},
		"accepted, canceled":  {reply{status: 200, header: header{"Job-Status": "canceled"}}, UpdateReply{Outcome: Over}},
		"accepted, failed":    {reply{status: 200, header: header{"Job-Status": "failed"}}, UpdateReply{Outcome: Over}},
		"accepted, success":   {reply{status: 200, header: header{"Job-Status": "success"}}, UpdateReply{Outcome: Accepted}},
		"log being stored":    {reply{status: 202, header: header{"X-GitLab-Trace-Update-Interval": "4"}}, UpdateReply{Outcome: Retry202, Interval: 4 * time.Second}},
		"log wanted again":    {reply{status: 412}, UpdateReply{Outcome: Resend}},
		"forbidden":           {reply{status: 403}, UpdateReply{Outcome: Over}},
		"unknown job":         {reply{status: 404, body: `{"message":"404 Not found"}`}, UpdateReply{Outcome: NotFound}},
		"taken by another":    {reply{status: 409}, UpdateReply{Outcome: Over}},
		"bad state":           {reply{status: 400}, UpdateReply{}},
		"limited":             {reply{status: 429}, UpdateReply{}},
		"server fault":        {reply{status: 502, body: "<html>"}, UpdateReply{}},
		"no answer":           {reply{}, UpdateReply{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, _ := start(t, Options{}, test.reply)
				got, err := client.UpdateJob(t.Context(), 7, jobToken, Update{State: StateRunning})
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				if (err != nil) != (test.want.Outcome == Temporary) {
					t.Errorf("outcome %v with error %v", got.Outcome, err)
				}
			})
		})
	}
}

func TestUpdateJobBody(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		update Update
		want   map[string]any
	}{
		"running, empty log": {
			Update{State: StateRunning},
			map[string]any{
				"state": "running", "checksum": "crc32:00000000",
				"output": map[string]any{"checksum": "crc32:00000000", "bytesize": 0.0},
			},
		},
		"failed": {
			Update{State: StateFailed, FailureReason: ReasonScriptFailure, ExitCode: 3, Size: 12, CRC32: 0xbeef},
			map[string]any{
				"state": "failed", "checksum": "crc32:0000beef", "failure_reason": "script_failure", "exit_code": 3.0,
				"output": map[string]any{"checksum": "crc32:0000beef", "bytesize": 12.0},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, fake := start(t, Options{}, reply{status: 200})
				if _, err := client.UpdateJob(t.Context(), 7, jobToken, test.update); err != nil {
					t.Fatal(err)
				}
				request := fake.requests()[0]
				got := fields(t, request.body)
				if _, ok := got["info"].(map[string]any); !ok {
					t.Errorf("info is %v", got["info"])
				}
				delete(got, "info")
				test.want["token"] = jobToken.Reveal()
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				if line := request.method + " " + request.uri; line != "PUT /api/v4/jobs/7" {
					t.Error(line)
				}
				if token := request.header.Get("Job-Token"); token != jobToken.Reveal() {
					t.Errorf("job token %q", token)
				}
			})
		})
	}
}

// Checklist 6: a caller that obeys the outcomes sends three equal updates for 202, 202, 200.
func TestUpdateJobRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{}, reply{status: 202}, reply{status: 202}, reply{status: 200})
		final := Update{State: StateSuccess, Size: 5, CRC32: 99}
		for {
			got, err := client.UpdateJob(t.Context(), 7, jobToken, final)
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != Retry202 {
				break
			}
		}
		requests := fake.requests()
		if len(requests) != 3 {
			t.Fatalf("%d updates", len(requests))
		}
		for _, r := range requests[1:] {
			if r.body != requests[0].body {
				t.Errorf("update %s after %s", r.body, requests[0].body)
			}
		}
	})
}
