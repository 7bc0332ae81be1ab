package coordinator

import (
	"encoding/json"
	"testing"
)

func TestRegistration(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	token := map[string]any{"token": runnerToken}
	manager := map[string]any{"token": runnerToken, "system_id": systemID}
	want := func(what string, out answer, status int) answer {
		t.Helper()
		if out.status != status {
			t.Errorf("%s: %d, want %d", what, out.status, status)
		}
		return out
	}
	want("registration token", c.json("POST", "/runners", map[string]any{"token": "GR1348941x"}), 410)
	want("unknown manager", c.json("DELETE", "/runners/managers", manager), 404)
	want("verify", c.json("POST", "/runners/verify", identity(nil)), 200)
	want("manager", c.json("DELETE", "/runners/managers", manager), 204)
	want("manager again", c.json("DELETE", "/runners/managers", manager), 404)

	out := want("reset", c.json("POST", "/runners/reset_authentication_token", token), 201)
	var fresh struct{ Token string }
	if err := json.Unmarshal(out.body, &fresh); err != nil {
		t.Fatal(err)
	}
	want("old token", c.json("POST", "/runners/verify", identity(nil)), 403)
	want("new token", c.json("POST", "/runners/verify", identity(map[string]any{"token": fresh.Token})), 200)
	want("unregister", c.json("DELETE", "/runners", map[string]any{"token": fresh.Token}), 204)
	want("unregistered", c.json("POST", "/runners/verify", identity(map[string]any{"token": fresh.Token})), 403)
	c.wantViolations()
	want("no system id", c.json("DELETE", "/runners/managers", token), 403)
	c.wantViolations("field system_id is missing")
}
