package coordinator

import (
	"encoding/json"
	"fmt"
	"strings"
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
	c.wantViolations()
	want("unregister", c.json("DELETE", "/runners", map[string]any{"token": fresh.Token}), 204)
	c.wantViolations("made in GitLab")
	want("unregistered", c.json("POST", "/runners/verify", identity(map[string]any{"token": fresh.Token})), 403)
	want("no system id", c.json("DELETE", "/runners/managers", token), 403)
	c.wantViolations("made in GitLab", "field system_id is missing")
}

func TestRegistrationToken(t *testing.T) {
	t.Parallel()
	c := start(t, Options{RegistrationToken: "GR1348941good", PersonalToken: "glpat-good"})
	register := func(change map[string]any) answer {
		body := map[string]any{"token": "GR1348941good", "run_untagged": true, "info": map[string]any{"features": map[string]any{"cancelable": true}}}
		for key, value := range change {
			body[key] = value
		}
		return c.json("POST", "/runners", body)
	}
	for what, test := range map[string]struct {
		change map[string]any
		status int
	}{
		"wrong token":         {map[string]any{"token": "GR1348941bad"}, 403},
		"short timeout":       {map[string]any{"maximum_timeout": 599}, 400},
		"unknown level":       {map[string]any{"access_level": "secret"}, 400},
		"long note":           {map[string]any{"maintenance_note": strings.Repeat("ä", 1025)}, 400},
		"nothing to take":     {map[string]any{"run_untagged": false, "tag_list": " , "}, 400},
		"all that is allowed": {map[string]any{"maximum_timeout": 600, "access_level": "ref_protected", "maintenance_note": "n", "run_untagged": false, "tag_list": "a, b", "locked": true, "paused": false, "description": "board"}, 201},
	} {
		if out := register(test.change); out.status != test.status {
			t.Errorf("%s: %d %s, want %d", what, out.status, out.body, test.status)
		}
	}
	made := RunnersOf(c.server)[1]
	if made.Description != "board" || len(made.Tags) != 2 || made.RunUntagged || !strings.HasPrefix(made.Token, "glrtr-") {
		t.Errorf("made %+v", made)
	}
	reset := func(token string, id int64) int {
		out, err := c.send("POST", fmt.Sprintf("/runners/%d/reset_authentication_token", id), nil, map[string]string{"Private-Token": token})
		if err != nil {
			t.Fatal(err)
		}
		return out.status
	}
	if a, b, d := reset("glpat-bad", made.ID), reset("glpat-good", 99), reset("glpat-good", made.ID); a != 401 || b != 404 || d != 201 {
		t.Errorf("resets by a user: %d, %d, %d", a, b, d)
	}
	if fresh := RunnersOf(c.server)[1].Token; fresh == made.Token {
		t.Error("the token is the old one")
	}
	c.wantViolations()
}
