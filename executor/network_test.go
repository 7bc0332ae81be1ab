package executor

import (
	"net/http"
	"strings"
	"testing"
)

// TestNoSubnetLeft has both wordings of an engine that has no address left for one more network.
func TestNoSubnetLeft(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network",
		"all predefined address pools have been fully subnetted",
	} {
		e := fakeEngine(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusInternalServerError, text) })
		err := e.networks.create(t.Context(), &Network{Name: "n"}, nil, false)
		if err == nil || !strings.Contains(err.Error(), "docker network prune") {
			t.Errorf("%q: the error does not say what to do: %v", text, err)
		}
	}
}
