package coordinator

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// register makes a runner by the registration token, or refuses it as a GitLab does that has them disabled.
func (a *api) register(r *http.Request, body []byte) reply {
	b := a.board
	if b.options.RegistrationToken == "" {
		return replyJSON(http.StatusGone, message("410 Gone"))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fields := b.readJSON("POST /runners", r, body, registerFields())
	if fields["token"] != b.options.RegistrationToken {
		return replyJSON(http.StatusForbidden, message("403 Forbidden"))
	}
	if wrong := invalidRegistration(fields); len(wrong) > 0 {
		return replyJSON(http.StatusBadRequest, map[string]any{"message": wrong})
	}
	description, _ := fields["description"].(string)
	untagged, given := fields["run_untagged"].(bool)
	made := b.addRunner(Runner{
		Token: "glrtr-" + rand.Text()[:20], Description: description, Tags: tagsOf(fields), RunUntagged: untagged || !given,
	})
	return replyJSON(http.StatusCreated, made.credentials())
}

// invalidRegistration is what GitLab does not accept of a runner, as it says so itself: a list for each field.
func invalidRegistration(fields map[string]any) map[string][]string {
	wrong := map[string][]string{}
	if note, _ := fields["maintenance_note"].(string); len([]rune(note)) > 1024 {
		wrong["maintenance_note"] = []string{"is too long (maximum is 1024 characters)"}
	}
	if seconds, given := fields["maximum_timeout"].(json.Number); given {
		if n, err := seconds.Int64(); err != nil || n < 600 {
			wrong["maximum_timeout"] = []string{"needs to be at least 10 minutes"}
		}
	}
	if untagged, given := fields["run_untagged"].(bool); given && !untagged && len(tagsOf(fields)) == 0 {
		wrong["tags_list"] = []string{"can not be empty when runner is not allowed to pick untagged jobs"}
	}
	switch fields["access_level"] {
	case nil, "not_protected", "ref_protected":
	default:
		wrong["access_level"] = []string{"does not have a valid value"}
	}
	return wrong
}

func tagsOf(fields map[string]any) []string {
	list, _ := fields["tag_list"].(string)
	var tags []string
	for tag := range strings.SplitSeq(list, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

// unregister deletes a whole runner.
func (a *api) unregister(r *http.Request, body []byte) reply {
	return a.asRunner("DELETE /runners", r, body, tokenFields(), func(known *runner, _ string) reply {
		if strings.Contains(known.Token, "glrt-") {
			a.board.breach("DELETE /runners: deletes a runner that was made in GitLab, for all machines; want DELETE /runners/managers")
		}
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
		return replyJSON(http.StatusCreated, a.renew(known))
	})
}

// resetTokenByID is resetToken with the rights of a user.
func (a *api) resetTokenByID(r *http.Request, _ []byte) reply {
	b := a.board
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.options.PersonalToken == "" || r.Header.Get("Private-Token") != b.options.PersonalToken {
		return replyJSON(http.StatusUnauthorized, message("401 Unauthorized"))
	}
	for _, known := range b.runners {
		if strconv.FormatInt(known.ID, 10) == r.PathValue("id") {
			return replyJSON(http.StatusCreated, a.renew(known))
		}
	}
	return replyJSON(http.StatusNotFound, message("404 Runner Not Found"))
}

// renew replaces the runner's token, with the board locked, and returns what GitLab answers.
func (a *api) renew(known *runner) map[string]any {
	b := a.board
	delete(b.runners, known.Token)
	known.Token = known.Token[:strings.Index(known.Token, "-")+1] + rand.Text()[:20]
	known.since = time.Now()
	b.runners[known.Token] = known
	return map[string]any{"token": known.Token, "token_expires_at": known.expiry()}
}

// verify tells a runner that its token is good.
func (a *api) verify(r *http.Request, body []byte) reply {
	return a.asRunner("POST /runners/verify", r, body, verifyFields(), func(known *runner, systemID string) reply {
		known.managers[systemID] = true
		return replyJSON(http.StatusOK, known.credentials())
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
	if known.Orphaned {
		return replyJSON(http.StatusUnprocessableEntity, message("422 Runner is orphaned"))
	}
	return answer(known, systemID)
}
