package jobapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Verified is what the server says about a valid runner token.
type Verified struct {
	ID             int64     // 0 from servers before 15
	Token          Secret    // the token itself
	TokenExpiresAt time.Time // zero: never
	Now            time.Time // the server's clock when it answered, to the second; zero if it does not say
}

// Verify asks whether the runner's token is valid, and introduces this runner with its features. Only an error with
// ErrTokenRefused (403) proves that the token is dead, and ErrOrphaned (422) that the runner has lost its owner; any other
// error says nothing about the token.
func (c *Client) Verify(ctx context.Context) (Verified, error) {
	a, err := c.send(ctx, call{
		method:  http.MethodPost,
		path:    "runners/verify",
		headers: map[string]string{"RUNNER-TOKEN": c.token.Reveal()},
		json: struct {
			Token    Secret `json:"token"`
			SystemID string `json:"system_id,omitempty"`
			Info     Info   `json:"info"`
		}{c.token, c.systemID, c.info},
	})
	if err != nil {
		return Verified{}, fmt.Errorf("verify the runner token: %w", err)
	}
	if a.status != http.StatusOK {
		return Verified{}, fmt.Errorf("verify the runner token: %w", runnerError(a))
	}
	if strings.Trim(string(a.body), "\" \r\n") == "200" {
		return Verified{}, nil // servers before 15 answer with this text
	}
	v, err := decodeVerified(a.body)
	if err != nil {
		return Verified{}, fmt.Errorf("verify the runner token: %w", err)
	}
	v.Now, _ = http.ParseTime(a.header.Get("Date"))
	return v, nil
}

// decodeVerified reads the answer to every call that gives a runner's token.
func decodeVerified(body []byte) (Verified, error) {
	var got struct {
		ID             int64      `json:"id"`
		Token          Secret     `json:"token"`
		TokenExpiresAt *time.Time `json:"token_expires_at"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return Verified{}, fmt.Errorf("the answer is not GitLab's, check url: %w", err)
	}
	v := Verified{ID: got.ID, Token: got.Token}
	if got.TokenExpiresAt != nil {
		v.TokenExpiresAt = *got.TokenExpiresAt
	}
	return v, nil
}
