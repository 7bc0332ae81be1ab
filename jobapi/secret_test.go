package jobapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	secret := Secret("hunter2")
	type holder struct {
		S Secret
		P *Secret
		L []Secret
	}
	for _, format := range []string{"%v", "%s", "%q", "%#v", "%+v", "%x", "%X", "%d", "%10s", "%t"} {
		if got := fmt.Sprintf(format, secret); got != "[MASKED]" {
			t.Errorf("%s prints %q", format, got)
		}
		got := fmt.Sprintf(format, holder{S: secret, L: []Secret{secret}})
		if strings.Contains(got, "hunter2") || strings.Contains(got, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("%s prints %q", format, got)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "holder", holder{S: secret})
	if strings.Contains(log.String(), "hunter2") {
		t.Error(log.String())
	}
}

func TestSecretTravelsInJSON(t *testing.T) {
	t.Parallel()
	wire, err := json.Marshal(map[string]Secret{"token": "hunter2"})
	if err != nil || string(wire) != `{"token":"hunter2"}` {
		t.Fatalf("%s, %v", wire, err)
	}
	var got map[string]Secret
	if err := json.Unmarshal(wire, &got); err != nil || got["token"].Reveal() != "hunter2" {
		t.Fatal(got["token"].Reveal(), err)
	}
}

func TestShortToken(t *testing.T) {
	t.Parallel()
	for token, want := range map[string]string{
		"":                            "",
		"abc":                         "abc",
		"abcdefghijklmnopqrst":        "abcdefghi",
		"glrt-abcdefghijkl":           "abcdefghi",
		"glrt-t1_abcdefghijkl":        "abcdefghi",
		"glrt-t4_abcdefghijkl":        "t4_abcdef",
		"t2_abcdefghijkl":             "abcdefghi",
		"glrtr-abcdefghijkl":          "abcdefghi",
		"glcbt-64_abcdefghijkl":       "64_abcdef",
		"GR1348941abcdefghijkl":       "abcdefghi",
		"GR134894xabcdefghijkl":       "GR134894x",
		"glrt-":                       "",
		"glrt-glrt-abcdefgh":          "glrt-abcd",
		"acme-glrt-abcdefgh":          "acme-glrt",
		"glrt-t3_routable.token.01.x": "routable.",
	} {
		if got := ShortToken(token); got != want {
			t.Errorf("%q: %q, want %q", token, got, want)
		}
	}
}
