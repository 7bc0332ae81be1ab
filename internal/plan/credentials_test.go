package plan

import "testing"

func TestImagePath(t *testing.T) {
	t.Parallel()
	for image, want := range map[string]string{
		"alpine":                            "docker.io/library/alpine",
		"alpine:3":                          "docker.io/library/alpine",
		"alpine@sha256:0123":                "docker.io/library/alpine",
		"group/app:1":                       "docker.io/group/app",
		"docker.io/group/app":               "docker.io/group/app",
		"index.docker.io/group/app":         "docker.io/group/app",
		"localhost/app":                     "localhost/app",
		"localhost:5000/app:1":              "localhost:5000/app",
		"Registry.Example.com/Group/app":    "registry.example.com/Group/app",
		"registry.example.com:5000/a/b:1@x": "registry.example.com:5000/a/b",
	} {
		if got := imagePath(image); got != want {
			t.Errorf("%s: %s, want %s", image, got, want)
		}
	}
}

func TestRegistryKey(t *testing.T) {
	t.Parallel()
	for registry, want := range map[string]string{
		"registry.example.com":               "registry.example.com",
		"Registry.Example.com:5000":          "registry.example.com:5000",
		"registry.example.com/group":         "registry.example.com/group",
		"registry.example.com/group/":        "registry.example.com/group",
		"https://registry.example.com/group": "registry.example.com", // with a scheme the path does not count
		"http://registry.example.com:5000":   "registry.example.com:5000",
		"https://index.docker.io/v1/":        "docker.io",
		"index.docker.io/v1/":                "docker.io",
		"docker.io":                          "docker.io",
		"docker.io/v1group":                  "docker.io/v1group",
		"registry-1.docker.io":               "docker.io",
		"":                                   "",
	} {
		if got := registryKey(registry); got != want {
			t.Errorf("%s: %s, want %s", registry, got, want)
		}
	}
}

// TestEveryImageFindsItsRegistry checks that what docker login writes fits what images are called.
func TestEveryImageFindsItsRegistry(t *testing.T) {
	t.Parallel()
	for image, registry := range map[string]string{
		"alpine:3":                            "https://index.docker.io/v1/",
		"group/app":                           "index.docker.io/v1/",
		"registry.example.com:5000/group/app": "registry.example.com:5000",
		"registry.example.com/group/app:1":    "https://registry.example.com",
		"registry.example.com/group/sub/app":  "registry.example.com/group",
		"registry.example.com/app@sha256:012": "registry.example.com/app",
	} {
		key, found := registryKey(registry), false
		for path := imagePath(image); path != ""; path = parent(path) {
			found = found || path == key
		}
		if !found {
			t.Errorf("%s is not found by %s", registry, image)
		}
	}
}
