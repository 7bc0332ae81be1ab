package executor

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestRepository(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"alpine":                             "alpine",
		"alpine:3":                           "alpine",
		"registry:5000/alpine":               "registry:5000/alpine",
		"registry:5000/alpine:3":             "registry:5000/alpine",
		"registry:5000/a/b:3@sha256:0123456": "registry:5000/a/b",
		"alpine@sha256:0123456":              "alpine",
	} {
		if got := Repository(ref); got != want {
			t.Errorf("%s: %s, want %s", ref, got, want)
		}
	}
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]*ocispec.Platform{
		"":             nil,
		"arm64":        {OS: "linux", Architecture: "arm64"},
		"linux/amd64":  {OS: "linux", Architecture: "amd64"},
		"linux/arm/v7": {OS: "linux", Architecture: "arm", Variant: "v7"},
	} {
		if diff := cmp.Diff(want, platform(text)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

const (
	alpineID     = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	alpineDigest = "alpine@sha256:2222222222222222222222222222222222222222222222222222222222222222"
)

// TestResolve walks through the pull policies: what the engine is asked, and what containers are made from.
func TestResolve(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		policies []string
		local    bool   // the image is on the engine from the beginning
		pullFail string // what a pull says
		calls    string
		kind     ImageErrorKind
		fails    bool
		platform string // asked for
	}{
		{name: "always", policies: []string{"always"}, local: true, calls: "pull inspect"},
		{name: "if-not-present, there", policies: []string{"if-not-present"}, local: true, calls: "inspect"},
		{name: "if-not-present, not there", policies: []string{"if-not-present"}, calls: "inspect pull inspect"},
		{name: "if-not-present, there for the platform", policies: []string{"if-not-present"}, platform: "linux/arm64/v8", local: true, calls: "inspect"},
		{name: "if-not-present, there for another platform", policies: []string{"if-not-present"}, platform: "linux/amd64", local: true, calls: "inspect pull inspect"},
		{name: "never, there", policies: []string{"never"}, local: true, calls: "inspect"},
		{name: "never, not there", policies: []string{"never"}, calls: "inspect", fails: true, kind: ImageMissing},
		{name: "second policy", policies: []string{"always", "if-not-present"}, local: true, pullFail: "toomanyrequests", calls: "pull inspect"},
		{name: "none works", policies: []string{"always", "never"}, pullFail: "toomanyrequests", calls: "pull inspect", fails: true, kind: ImageMissing},
		{name: "not found is final", policies: []string{"always"}, pullFail: "manifest unknown", calls: "pull", fails: true, kind: ImageMissing},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var calls []string
			local := test.local
			e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.URL.Path == "/images/create":
					calls = append(calls, "pull")
					if test.pullFail != "" {
						refuse(w, http.StatusInternalServerError, test.pullFail)
						return
					}
					local = true
				case strings.HasSuffix(r.URL.Path, "/json"):
					calls = append(calls, "inspect")
					if !local {
						refuse(w, http.StatusNotFound, "No such image: alpine:3")
						return
					}
					fmt.Fprintf(w, `{"Id":%q,"Os":"linux","Architecture":"arm64","RepoDigests":["other@sha256:33","%s"],"Config":{"Entrypoint":["/run"],"User":"app","ExposedPorts":{"80/tcp":{},"53/udp":{}}}}`, alpineID, alpineDigest)
				}
			})
			got, err := e.images.resolve(t.Context(), Image{Ref: "alpine:3", Policies: test.policies, Platform: test.platform}, &lines{})
			mu.Lock()
			defer mu.Unlock()
			if seen := strings.Join(calls, " "); seen != test.calls {
				t.Errorf("calls %q, want %q", seen, test.calls)
			}
			if test.fails {
				if img, ok := errors.AsType[*ImageError](err); !ok || img.Kind != test.kind {
					t.Errorf("got %v, want an ImageError of kind %d", err, test.kind)
				}
				return
			}
			want := resolved{Create: alpineDigest, ID: alpineID, Entrypoint: []string{"/run"}, User: "app", Platform: "linux/arm64", Ports: []uint16{80}}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

// TestResolveByID looks an image up that is named by its id: there is nothing to pull.
func TestResolveByID(t *testing.T) {
	t.Parallel()
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, alpineID+"/json") {
			refuse(w, http.StatusNotFound, "No such image")
			return
		}
		fmt.Fprintf(w, `{"Id":%q,"RepoDigests":[%q]}`, alpineID, alpineDigest)
	})
	got, err := e.images.resolve(t.Context(), Image{Ref: alpineID, Policies: []string{"always"}}, &lines{})
	if err != nil || got.Create != alpineID {
		t.Errorf("got %q (%v), want the id itself", got.Create, err)
	}
	_, err = e.images.resolve(t.Context(), Image{Ref: strings.Replace(alpineID, "1", "4", 1)}, &lines{})
	if img, ok := errors.AsType[*ImageError](err); !ok || img.Kind != ImageMissing {
		t.Errorf("an id that is not there: %v, want a missing image", err)
	}
}

// TestResolveSays checks the lines that users and tools look for.
func TestResolveSays(t *testing.T) {
	t.Parallel()
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/images/create" {
			refuse(w, http.StatusNotFound, "manifest unknown")
			return
		}
		fmt.Fprintf(w, `{"Id":%q,"RepoDigests":[%q]}`, alpineID, alpineDigest)
	})
	var log lines
	img := Image{Ref: "alpine:3", Policies: []string{"always", "if-not-present"}, AuthFrom: "$DOCKER_AUTH_CONFIG"}
	if _, err := e.images.resolve(t.Context(), img, &log); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Using effective pull policy of [always if-not-present] for container alpine:3",
		"Authenticating with credentials from $DOCKER_AUTH_CONFIG",
		"Pulling docker image alpine:3 ...",
		`Attempt #2: Trying "if-not-present" pull policy`,
		`Using locally found image version due to "if-not-present" pull policy`,
		"Using docker image " + alpineID + " for alpine:3 with digest " + alpineDigest + " ...",
	} {
		if !slices.Contains(log.text, want) {
			t.Errorf("%q is not among %q", want, log.text)
		}
	}
}
