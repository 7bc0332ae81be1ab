package jobapi

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPatchTraceReplies(t *testing.T) {
	t.Parallel()
	const jobStatus, rangeHeader, wish = "Job-Status", "Range", "X-GitLab-Trace-Update-Interval"
	type header = map[string]string
	tests := map[string]struct {
		reply reply
		want  TraceReply
	}{
		"stored":                    {reply{status: 202, header: header{rangeHeader: "0-10", jobStatus: "running"}}, TraceReply{Outcome: Stored}},
		"stored, somebody watches":  {reply{status: 202, header: header{wish: "3"}}, TraceReply{Outcome: Stored, Interval: 3 * time.Second}},
		"interval is capped":        {reply{status: 202, header: header{wish: "999999999999"}}, TraceReply{Outcome: Stored, Interval: 15 * time.Minute}},
		"interval zero":             {reply{status: 202, header: header{wish: "0"}}, TraceReply{Outcome: Stored}},
		"interval negative":         {reply{status: 202, header: header{wish: "-3"}}, TraceReply{Outcome: Stored}},
		"interval garbage":          {reply{status: 202, header: header{wish: "soon"}}, TraceReply{Outcome: Stored}},
		"stored but canceled":       {reply{status: 202, header: header{jobStatus: "canceled"}}, TraceReply{Outcome: Over}},
		"stored but failed":         {reply{status: 202, header: header{jobStatus: "failed"}}, TraceReply{Outcome: Over}},
		"stored, canceling":         {reply{status: 202, header: header{jobStatus: "canceling"}}, TraceReply{Outcome: Stored, Canceling: true}},
		"forbidden":                 {reply{status: 403}, TraceReply{Outcome: Over}},
		"forbidden, canceling":      {reply{status: 403, header: header{jobStatus: "canceling"}}, TraceReply{Outcome: Over, Canceling: true}},
		"unknown job":               {reply{status: 404}, TraceReply{Outcome: NotFound}},
		"unknown job, canceled":     {reply{status: 404, header: header{jobStatus: "canceled"}}, TraceReply{Outcome: Over}},
		"other length":              {reply{status: 416, header: header{rangeHeader: "0-7"}}, TraceReply{Outcome: Realign, Offset: 7}},
		"other length, canceling":   {reply{status: 416, header: header{rangeHeader: "0-7", jobStatus: "canceling"}}, TraceReply{Outcome: Realign, Offset: 7, Canceling: true}},
		"other length, no range":    {reply{status: 416}, TraceReply{Outcome: Realign}},
		"other length, odd range":   {reply{status: 416, header: header{rangeHeader: "bytes"}}, TraceReply{Outcome: Realign}},
		"other length, minus range": {reply{status: 416, header: header{rangeHeader: "0--7"}}, TraceReply{Outcome: Realign}},
		"missing range":             {reply{status: 400, body: `{"message":"400 Missing header Content-Range"}`}, TraceReply{}},
		"limited":                   {reply{status: 429}, TraceReply{}},
		"server fault, canceling":   {reply{status: 500, header: header{jobStatus: "canceling"}}, TraceReply{Canceling: true}},
		"server fault, interval":    {reply{status: 503, header: header{wish: "60"}}, TraceReply{Interval: time.Minute}},
		"redirect":                  {reply{status: 301, header: header{"Location": "https://other.example.com/"}}, TraceReply{}},
		"no answer":                 {reply{}, TraceReply{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				client, _ := start(t, Options{}, test.reply)
				got, err := client.PatchTrace(t.Context(), 7, jobToken, 0, []byte("0123456789"), false)
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

// Checklist 1 and 2: the ranges of two chunks, nothing for an empty one, and the next chunk after a 416.
func TestPatchTraceRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{}, reply{status: 202}, reply{status: 416, header: map[string]string{"Range": "0-7"}}, reply{status: 202})
		log := []byte("0123456789abcde\xff\x00fghijklm")
		if _, err := client.PatchTrace(t.Context(), 7, jobToken, 0, log[:10], true); err != nil {
			t.Fatal(err)
		}
		got, err := client.PatchTrace(t.Context(), 7, jobToken, 10, log[10:25], false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.PatchTrace(t.Context(), 7, jobToken, got.Offset, log[got.Offset:], false); err != nil {
			t.Fatal(err)
		}
		for _, chunk := range [][]byte{nil, make([]byte, MaxTraceChunk+1)} {
			if _, err := client.PatchTrace(t.Context(), 7, jobToken, 25, chunk, false); err == nil {
				t.Errorf("a chunk of %d bytes was sent", len(chunk))
			}
		}
		type sent struct{ URI, Range, Body string }
		var wire []sent
		for _, r := range fake.requests() {
			wire = append(wire, sent{r.method + " " + r.uri, r.header.Get("Content-Range"), r.body})
			if token := r.header.Get("Job-Token"); token != jobToken.Reveal() {
				t.Errorf("job token %q", token)
			}
			if kind := r.header.Get("Content-Type"); kind != "text/plain" {
				t.Errorf("content type %q", kind)
			}
		}
		want := []sent{
			{"PATCH /api/v4/jobs/7/trace?debug_trace=true", "0-9", string(log[:10])},
			{"PATCH /api/v4/jobs/7/trace?debug_trace=false", "10-24", string(log[10:25])},
			{"PATCH /api/v4/jobs/7/trace?debug_trace=false", "7-24", string(log[7:])},
		}
		if diff := cmp.Diff(want, wire); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPatchTraceRepeatsTheBody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, fake := start(t, Options{}, reply{status: 503}, reply{status: 202})
		chunk := strings.Repeat("x", MaxTraceChunk)
		got, err := client.PatchTrace(t.Context(), 7, jobToken, 0, []byte(chunk), false)
		if err != nil || got.Outcome != Stored {
			t.Fatal(got, err)
		}
		requests := fake.requests()
		if len(requests) != 2 || requests[0].body != chunk || requests[1].body != chunk {
			t.Errorf("%d requests, or one with another body", len(requests))
		}
	})
}
