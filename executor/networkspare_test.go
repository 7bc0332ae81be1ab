package executor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// someNetworks is an engine that has networks, by their ids, and containers on some of them.
type someNetworks struct {
	mu    sync.Mutex
	names map[string]string // by id
	on    map[string]bool   // by name: a container, which need not run
	in    map[string]bool   // by name: an endpoint
	full  bool              // no subnet is free
	calls []string          // that change something
}

func (n *someNetworks) engine(t *testing.T) *Engine {
	t.Helper()
	return fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		defer n.mu.Unlock()
		name := strings.Split(strings.TrimPrefix(r.URL.Path, "/networks/"), "/")[0]
		id := name
		for known, called := range n.names {
			if called == name {
				id = known
			}
		}
		if r.Method != http.MethodGet {
			n.calls = append(n.calls, r.Method+" "+r.URL.Path)
		}
		switch {
		case r.URL.Path == "/containers/json":
			for on := range n.on {
				if strings.Contains(r.URL.Query().Get("filters"), `"`+on+`"`) {
					fmt.Fprint(w, `[{"Id":"c","Names":["/left"],"State":"exited"}]`)
					return
				}
			}
			fmt.Fprint(w, `[]`)
		case r.URL.Path == "/volumes":
			fmt.Fprint(w, `{}`)
		case r.URL.Path == "/networks":
			var all []string
			for id, name := range n.names {
				all = append(all, fmt.Sprintf(`{"Id":%q,"Name":%q,"Labels":{"lced.spare":%q,"lced.spare.form":"mtu=1500"}}`, id, name, name))
			}
			fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
		case r.URL.Path == "/networks/create" && n.full:
			refuse(w, http.StatusInternalServerError, "all predefined address pools have been fully subnetted")
		case r.URL.Path == "/networks/create":
			fmt.Fprint(w, `{"Id":"new"}`)
		case n.names[id] == "":
			refuse(w, http.StatusNotFound, "no such network")
		case r.Method == http.MethodGet && n.in[n.names[id]]:
			fmt.Fprintf(w, `{"Id":%q,"Containers":{"c":{"Name":"left"}}}`, id)
		case r.Method == http.MethodGet:
			fmt.Fprintf(w, `{"Id":%q}`, id)
		case r.Method == http.MethodDelete && n.in[n.names[id]]:
			refuse(w, http.StatusForbidden, "network has active endpoints")
		case r.Method == http.MethodDelete:
			delete(n.names, id)
			n.full = false
		case strings.HasSuffix(r.URL.Path, "/disconnect"):
			delete(n.in, n.names[id])
		}
	})
}

func (n *someNetworks) wantCalls(t *testing.T, what string, want ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Equal(n.calls, want) {
		t.Errorf("%s: calls %q, want %q", what, n.calls, want)
	}
}

// TestSpareNetworks: a network waits for a job where nothing is on it, no job goes on with it, this process does not know it, and its
// name is its own.
func TestSpareNetworks(t *testing.T) {
	t.Parallel()
	n := &someNetworks{
		names: map[string]string{"1": "ready", "2": "left-in", "3": "twin", "4": "twin", "5": "of-a-job", "6": "known"},
		on:    map[string]bool{"left-in": true},
	}
	e := n.engine(t)
	e.claims.take("known")
	spares, err := e.Spares(t.Context(), []*Plan{{Name: "job", Network: &Network{Name: "of-a-job"}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(spares) != 1 || spares[0].Network() != "ready" || spares[0].Form != "mtu=1500" || !spares[0].IsNetwork() {
		t.Errorf("%d networks wait for a job, want one: %+v", len(spares), spares)
	}
	if err := spares[0].Remove(t.Context()); err != nil {
		t.Error(err)
	}
	n.wantCalls(t, "one that is given up", "DELETE /networks/ready")
}

// TestTakeNetwork: a job takes the network that was kept if that is there and nothing is in it; else it gets a new one.
func TestTakeNetwork(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		n    *someNetworks
		want []string
	}{
		{"ready", &someNetworks{names: map[string]string{"1": "n"}}, nil},
		{"gone", &someNetworks{}, []string{"DELETE /networks/n", "POST /networks/create"}},
		{"in use", &someNetworks{names: map[string]string{"1": "n"}, in: map[string]bool{"n": true}},
			[]string{"DELETE /networks/n", "POST /networks/n/disconnect", "DELETE /networks/n", "POST /networks/create"}},
	} {
		e := tt.n.engine(t)
		j := e.NewJob(&Plan{Name: "job", Network: &Network{Name: "n", Form: "f"}}, nil)
		j.Network = newNetworkSpare(e, "n", "f")
		j.Network.claim()
		g, ctx := newGraph(t.Context())
		if err := (&starter{Job: j, graph: g, log: discard{}}).createNetwork(ctx); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		tt.n.wantCalls(t, tt.name, tt.want...)
		if !e.claims.holds("n") || !j.passesOn {
			t.Errorf("%s: claimed %v, another job may have it after this one %v", tt.name, e.claims.holds("n"), j.passesOn)
		}
		if unclaim(j); e.claims.holds("n") {
			t.Errorf("%s: the network is claimed although the job is over", tt.name)
		}
	}
}

// TestPassOnNetwork: the network of a job that is over is kept if somebody wants it and nothing is on it; else it is removed.
func TestPassOnNetwork(t *testing.T) {
	t.Parallel()
	passing := func(j *Job) { j.passesOn, j.Spans = true, []Span{{Part: "total"}} }
	for _, tt := range []struct {
		name   string
		change func(*Job, *someNetworks)
		kept   bool
	}{
		{"an empty one", func(*Job, *someNetworks) {}, true},
		{"a container is left", func(_ *Job, n *someNetworks) { n.on = map[string]bool{"n": true} }, false},
		{"it is for one job only", func(j *Job, _ *someNetworks) { j.plan.Network.Form = "" }, false},
		{"the start-up was repeated", func(j *Job, _ *someNetworks) { j.passesOn = false }, false},
		{"the start-up failed", func(j *Job, _ *someNetworks) { j.Spans = nil }, false},
		{"nobody keeps any", func(j *Job, _ *someNetworks) { j.KeepNetwork = nil }, false},
	} {
		n := &someNetworks{names: map[string]string{"1": "n"}}
		e := n.engine(t)
		var kept *Spare
		j := e.NewJob(&Plan{Name: "job", Network: &Network{Name: "n", Form: "f"}}, nil)
		j.KeepNetwork = func(ctx context.Context, form string, take func(context.Context) (*Spare, error)) bool {
			kept, _ = take(ctx)
			return kept != nil && form == "f"
		}
		passing(j)
		tt.change(j, n)
		if err := j.Remove(t.Context()); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		want := []string{"DELETE /networks/n"}
		if tt.kept {
			want = nil
		}
		n.wantCalls(t, tt.name, want...)
		if (kept != nil) != tt.kept || e.claims.holds("n") != tt.kept {
			t.Errorf("%s: kept %v, claimed %v, want %v", tt.name, kept != nil, e.claims.holds("n"), tt.kept)
		}
	}
}

// TestNoSubnetGivesUpKept: where no subnet is free, a network that is kept for jobs to come goes, and the job has its own at once.
func TestNoSubnetGivesUpKept(t *testing.T) {
	t.Parallel()
	n := &someNetworks{names: map[string]string{"1": "kept"}, full: true}
	e := n.engine(t)
	kept := newNetworkSpare(e, "kept", "f")
	kept.claim()
	e.networks.freeOne = func(ctx context.Context) (bool, error) { return true, kept.Remove(ctx) }
	said := &lines{}
	if err := e.networks.createPatiently(t.Context(), &Network{Name: "n"}, nil, false, said); err != nil {
		t.Error(err)
	}
	n.wantCalls(t, "no subnet", "POST /networks/create", "DELETE /networks/kept", "POST /networks/create")
	if len(said.text) != 1 || !strings.Contains(said.text[0], "removed 1 unused networks") {
		t.Errorf("the log says %q", said.text)
	}
}

// TestSharedClaims: what one engine of a process claims another one, which may be the same by another address, leaves alone.
func TestSharedClaims(t *testing.T) {
	t.Parallel()
	n := &someNetworks{names: map[string]string{"1": "n"}}
	one := n.engine(t)
	other, err := Connect(t.Context(), Connection{Host: one.host, Owner: "s_test", Beside: one})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	one.NewJob(&Plan{Name: "job", Network: &Network{Name: "n"}}, nil)
	seen, removed, err := other.Stock().Orphans(t.Context(), func(map[string]string) bool { return false }, map[string]bool{"1": true})
	if err != nil || removed != 0 || len(seen) != 0 {
		t.Errorf("%d removed, %v are to be looked at again (%v)", removed, seen, err)
	}
}
