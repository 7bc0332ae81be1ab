package executor

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestHostHas: only an engine that says so has no such directory.
func TestHostHas(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status   int
		message  string
		has, bad bool
	}{
		{status: http.StatusCreated, has: true},
		{status: http.StatusBadRequest, message: `invalid mount config for type "bind": bind source path does not exist: /etc/docker/certs.d`},
		{status: http.StatusForbidden, message: "authorization denied by plugin: no mounts"},
		{status: http.StatusInternalServerError, message: "no space left on device", bad: true},
		{status: http.StatusNotFound, message: "No such image: own", bad: true},
	} {
		e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/containers/create" && test.message != "" {
				refuse(w, test.status, test.message)
				return
			}
			fmt.Fprint(w, `{"Id":"c"}`)
		})
		has, err := e.containers.hostHas(t.Context(), "own", "/etc/docker/certs.d")
		if has != test.has || (err != nil) != test.bad || err != nil && !strings.Contains(err.Error(), test.message) {
			t.Errorf("%d %s: %v, %v", test.status, test.message, has, err)
		}
	}
}
