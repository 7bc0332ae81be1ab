package jobapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// Registration is what a runner that is made with an old registration token is to be like. With an authentication token
// all of it is set in GitLab.
type Registration struct {
	Description     string `json:"description,omitempty"`
	MaintenanceNote string `json:"maintenance_note,omitempty"` // at most 1024 characters
	Tags            string `json:"tag_list,omitempty"`         // with commas between them
	RunUntagged     bool   `json:"run_untagged"`
	Locked          bool   `json:"locked"`
	AccessLevel     string `json:"access_level,omitempty"`    // not_protected or ref_protected
	MaximumTimeout  int    `json:"maximum_timeout,omitempty"` // seconds, 600 or more
	Paused          bool   `json:"paused"`
}

var (
	errRegistrationRefused  = errors.New("the registration token is wrong, or registration is not allowed for its project or group: check the token, or create the runner in GitLab and register with its glrt- token")
	errRegistrationDisabled = errors.New("this GitLab has registration tokens disabled: create the runner in GitLab (CI/CD settings, New runner) and register with its glrt- token")
	errPersonalToken        = errors.New("the personal access token is wrong or has ended: it needs the scope api or manage_runner")
	errPersonalTokenRights  = errors.New("the personal access token may not change this runner: it needs the scope api or manage_runner, and its user must own the runner")
	errNoSuchRunner         = errors.New("GitLab has no such runner: check its id")
)

// Register makes a runner with a registration token, which is what the client's own token must be then, and returns the new
// runner's. Errors: *StatusError for 400 (what GitLab does not like is in its message), 403 and 410 (registration tokens
// are disabled), and whatever the network does.
func (c *Client) Register(ctx context.Context, r Registration) (Verified, error) {
	a, err := c.send(ctx, call{
		method: http.MethodPost,
		path:   "runners",
		json: struct {
			Token Secret `json:"token"`
			Registration
			Info Info `json:"info"`
		}{c.token, r, c.info},
	})
	if err != nil {
		return Verified{}, fmt.Errorf("register the runner: %w", err)
	}
	if a.status != http.StatusCreated {
		e := statusError(a)
		switch a.status {
		case http.StatusForbidden:
			e.reason = errRegistrationRefused
		case http.StatusGone:
			e.reason = errRegistrationDisabled
		}
		return Verified{}, fmt.Errorf("register the runner: %w", e)
	}
	v, err := decodeVerified(a.body)
	if err == nil && (v.ID == 0 || v.Token == "") {
		err = errors.New("id or token is missing")
	}
	if err != nil {
		return Verified{}, fmt.Errorf("register the runner: %w", err)
	}
	return v, nil
}

// Unregister deletes the whole runner in GitLab. Errors: ErrTokenRefused (403), which also means that it is gone already.
func (c *Client) Unregister(ctx context.Context) error {
	a, err := c.send(ctx, deletion(c.token, "runners", struct {
		Token Secret `json:"token"`
	}{c.token}))
	if err == nil && a.status != http.StatusNoContent {
		err = runnerError(a)
	}
	if err != nil {
		return fmt.Errorf("unregister the runner: %w", err)
	}
	return nil
}

// UnregisterManager deletes what GitLab knows about this machine (the client's system id); the runner stays, for other
// machines and later. It knows of none after a first time, which is no error. Errors: ErrTokenRefused (403).
func (c *Client) UnregisterManager(ctx context.Context) error {
	a, err := c.send(ctx, deletion(c.token, "runners/managers", struct {
		Token    Secret `json:"token"`
		SystemID string `json:"system_id"`
	}{c.token, c.systemID}))
	if err == nil && a.status != http.StatusNoContent && a.status != http.StatusNotFound {
		err = runnerError(a)
	}
	if err != nil {
		return fmt.Errorf("unregister the runner manager: %w", err)
	}
	return nil
}

// deletion sends a body, too: in the query of a DELETE proxies would log the token.
func deletion(token Secret, path string, body any) call {
	return call{method: http.MethodDelete, path: path, json: body, headers: map[string]string{"RUNNER-TOKEN": token.Reveal()}}
}

// ResetToken asks for another authentication token in place of the client's own, which ends at once: keep the new one before
// anything else is done. ID is 0 in the answer. Errors: ErrTokenRefused (403), ErrOrphaned (422).
func (c *Client) ResetToken(ctx context.Context) (Verified, error) {
	a, err := c.send(ctx, call{
		method: http.MethodPost, path: "runners/reset_authentication_token", headers: map[string]string{"RUNNER-TOKEN": c.token.Reveal()},
		json: struct {
			Token Secret `json:"token"`
		}{c.token},
	})
	if err == nil && a.status != http.StatusCreated {
		err = runnerError(a)
	}
	return resetAnswer(a, err)
}

// ResetTokenAs is ResetToken for the runner with this id, with the rights of a personal access token: it works although the
// runner's own token is lost. Errors: *StatusError for 401, 403, 404 and 422.
func (c *Client) ResetTokenAs(ctx context.Context, id int64, personal Secret) (Verified, error) {
	a, err := c.send(ctx, call{
		method: http.MethodPost, path: "runners/" + strconv.FormatInt(id, 10) + "/reset_authentication_token",
		headers: map[string]string{"PRIVATE-TOKEN": personal.Reveal()},
	})
	if err == nil && a.status != http.StatusCreated {
		e := statusError(a)
		switch a.status {
		case http.StatusUnauthorized:
			e.reason = errPersonalToken
		case http.StatusForbidden:
			e.reason = errPersonalTokenRights
		case http.StatusNotFound:
			e.reason = errNoSuchRunner
		}
		err = e
	}
	return resetAnswer(a, err)
}

func resetAnswer(a answer, err error) (Verified, error) {
	var v Verified
	if err == nil {
		v, err = decodeVerified(a.body)
	}
	if err == nil && v.Token == "" {
		err = errors.New("the token is missing")
	}
	if err != nil {
		return Verified{}, fmt.Errorf("reset the runner's token: %w", err)
	}
	return v, nil
}
