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
	b := a.board
	b.mu.Lock()
	defer b.mu.Unlock()
	known, _, ok := b.readRunner("DELETE /runners", r, body, tokenFields())
	if !ok {
		return replyJSON(http.StatusForbidden, message("403 Forbidden"))
	}
	delete(b.runners, known.Token)
	return replyJSON(http.StatusNoContent, nil)
}

// removeManager deletes what the server knows about one machine of a runner; the runner stays.
func (a *api) removeManager(r *http.Request, body []byte) reply {
	b := a.board
	b.mu.Lock()
	defer b.mu.Unlock()
	known, systemID, ok := b.readRunner("DELETE /runners/managers", r, body, managerFields())
	switch {
	case !ok:
		return replyJSON(http.StatusForbidden, message("403 Forbidden"))
	case systemID == "":
		return replyJSON(http.StatusBadRequest, map[string]string{"error": "system_id is missing"})
	case !known.managers[systemID]:
		return replyJSON(http.StatusNotFound, message("404 Runner manager not found"))
	}
	delete(known.managers, systemID)
	return replyJSON(http.StatusNoContent, nil)
}

// resetToken gives a runner another token; the old one ends at once.
func (a *api) resetToken(r *http.Request, body []byte) reply {
	b := a.board
	b.mu.Lock()
	defer b.mu.Unlock()
	known, _, ok := b.readRunner("POST /runners/reset_authentication_token", r, body, tokenFields())
	if !ok {
		return replyJSON(http.StatusForbidden, message("403 Forbidden"))
	}
	delete(b.runners, known.Token)
	known.Token = "glrt-" + rand.Text()[:20]
	b.runners[known.Token] = known
	return replyJSON(http.StatusCreated, map[string]any{"token": known.Token, "token_expires_at": nil})
}

// readRunner reads a body and finds the runner that its token names.
func (b *board) readRunner(call string, r *http.Request, body []byte, want fieldSet) (known *runner, systemID string, ok bool) {
	fields := b.readJSON(call, r, body, want)
	b.checkIdentity(call, r, fields)
	token, _ := fields["token"].(string)
	systemID, _ = fields["system_id"].(string)
	known, ok = b.runners[token]
	return known, systemID, ok
}
