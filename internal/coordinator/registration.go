package coordinator

import (
	"crypto/rand"
	"net/http"
)

// register refuses registration tokens as a GitLab does that has them disabled.
func (a *api) register(*http.Request, []byte) reply {
	return replyJSON(http.StatusGone, message("410 Gone"))
}

// unregister deletes a whole runner.
func (a *api) unregister(r *http.Request, body []byte) reply {
	return a.asRunner("DELETE /runners", r, body, tokenFields(), func(known *runner, _ string) reply {
		delete(a.board.runners, known.Token)
		return replyJSON(http.StatusNoContent, nil)
	})
}

// removeManager deletes what the server knows about one machine of a runner; the runner stays.
func (a *api) removeManager(r *http.Request, body []byte) reply {
	return a.asRunner("DELETE /runners/managers", r, body, managerFields(), func(known *runner, systemID string) reply {
		switch {
		case systemID == "":
			return replyJSON(http.StatusBadRequest, map[string]string{"error": "system_id is missing"})
		case !known.managers[systemID]:
			return replyJSON(http.StatusNotFound, message("404 Runner manager not found"))
		}
		delete(known.managers, systemID)
		return replyJSON(http.StatusNoContent, nil)
	})
}

// resetToken gives a runner another token; the old one ends at once.
func (a *api) resetToken(r *http.Request, body []byte) reply {
	return a.asRunner("POST /runners/reset_authentication_token", r, body, tokenFields(), func(known *runner, _ string) reply {
		delete(a.board.runners, known.Token)
		known.Token = "glrt-" + rand.Text()[:20]
		a.board.runners[known.Token] = known
		return replyJSON(http.StatusCreated, map[string]any{"token": known.Token, "token_expires_at": nil})
	})
}

// verify tells a runner that its token is good.
func (a *api) verify(r *http.Request, body []byte) reply {
	return a.asRunner("POST /runners/verify", r, body, verifyFields(), func(known *runner, systemID string) reply {
		known.managers[systemID] = true
		return replyJSON(http.StatusOK, map[string]any{"id": known.ID, "token": known.Token, "token_expires_at": nil})
	})
}

// asRunner answers a call of the runner that the token in the body names, with the board locked; 403 where there is none.
func (a *api) asRunner(call string, r *http.Request, body []byte, want fieldSet, answer func(known *runner, systemID string) reply) reply {
	b := a.board
	b.mu.Lock()
	defer b.mu.Unlock()
	fields := b.readJSON(call, r, body, want)
	b.checkIdentity(call, r, fields)
	token, _ := fields["token"].(string)
	systemID, _ := fields["system_id"].(string)
	known, ok := b.runners[token]
	if !ok {
		return replyJSON(http.StatusForbidden, message("403 Forbidden"))
	}
	return answer(known, systemID)
}
