package plan

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/jobapi"
)

// dockerConfig is the part of docker's config.json that holds logins.
type dockerConfig struct {
	Auths map[string]struct {
		Auth     string `json:"auth"`
		Username string `json:"username"`
		Password string `json:"password"`
		Token    string `json:"identitytoken"`
	} `json:"auths"`
}

// login is what the engine is told, as base64 of this JSON (X-Registry-Auth).
type login struct {
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	ServerAddress string `json:"serveraddress,omitempty"`

	source string
}

// credentialsFor finds the login for an image: the longest matching registry path over all sources, where for the same path
// DOCKER_AUTH_CONFIG beats the runner user's config.json, and that the job's own (docker-executor contract 2.10).
func credentialsFor(c *compiler, image string) (auth, source string) {
	logins := map[string]login{}
	add := func(registry string, l login) {
		key := registryKey(registry)
		if _, taken := logins[key]; !taken && key != "" {
			l.ServerAddress = registry
			logins[key] = l
		}
	}
	jobs := c.JobAuth
	if jobs == nil {
		jobs = []byte(c.vars.get("DOCKER_AUTH_CONFIG"))
	}
	addDockerConfig(c, add, jobs, "$DOCKER_AUTH_CONFIG")
	addDockerConfig(c, add, c.DockerAuth, "the runner's docker config.json")
	for _, cr := range c.Job.Credentials {
		if cr.Type == "registry" {
			add(cr.URL, login{Username: cr.Username, Password: cr.Password.Reveal(), source: "job payload (GitLab Registry)"})
		}
	}
	path := imagePath(image)
	for ; path != ""; path = parent(path) {
		if l, ok := logins[path]; ok {
			text, err := json.Marshal(l)
			if err != nil {
				return "", ""
			}
			return base64.URLEncoding.EncodeToString(text), l.source
		}
	}
	return "", ""
}

func addDockerConfig(c *compiler, add func(string, login), data []byte, source string) {
	if len(strings.TrimSpace(string(data))) == 0 {
		return
	}
	var cfg dockerConfig
	if err := json.Unmarshal(data, &cfg); err != nil {
		// The parser's text may quote the content, which is secret.
		c.warn("Failed to resolve credentials from %s: it is not docker's config.json format", source)
		return
	}
	for _, registry := range slices.Sorted(maps.Keys(cfg.Auths)) {
		a := cfg.Auths[registry]
		l := login{Username: a.Username, Password: a.Password, IdentityToken: a.Token, source: source}
		if a.Auth != "" {
			plain, err := base64.StdEncoding.DecodeString(a.Auth)
			user, password, ok := strings.Cut(strings.TrimRight(string(plain), "\x00"), ":")
			if err != nil || !ok {
				c.warn("Failed to resolve credentials from %s: the auth of %s is not base64 of user:password", source, registry)
				continue
			}
			l.Username, l.Password = user, password
		}
		if l.Username != "" || l.IdentityToken != "" {
			add(registry, l)
		}
	}
}

// registryKey is a registry as credentials name it, reduced to host[/path]. With a scheme it counts as the host only.
func registryKey(registry string) string {
	host, path, _ := strings.Cut(registry, "/")
	if _, rest, ok := strings.Cut(registry, "://"); ok {
		host, _, _ = strings.Cut(rest, "/")
		path = ""
	}
	host = dockerHub(strings.ToLower(host))
	if path = strings.Trim(path, "/"); host == "docker.io" && path == "v1" {
		path = ""
	}
	return strings.Trim(host+"/"+path, "/")
}

func dockerHub(host string) string {
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		return "docker.io"
	}
	return host
}

// imagePath is an image's name with its registry and without tag and digest.
func imagePath(image string) string {
	image = executor.Repository(image)
	host, rest, ok := strings.Cut(image, "/")
	switch {
	case !ok:
		return "docker.io/library/" + image
	case !strings.ContainsAny(host, ".:") && host != "localhost":
		return "docker.io/" + image
	}
	return dockerHub(strings.ToLower(host)) + "/" + rest
}

func parent(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ""
	}
	return path[:i]
}

// Login is the login for an image of a runner outside of a job, as the engine wants it, and where it comes from; both are
// empty without one. dockerAuth is docker's config.json. The warnings are about logins that cannot be read.
func Login(r *config.Runner, image string, dockerAuth []byte) (auth, source string, warnings []string) {
	in := Input{Job: &jobapi.Job{}, Runner: r, DockerAuth: dockerAuth}
	c := &compiler{Input: in, vars: newVariables(in, names{})}
	auth, source = credentialsFor(c, image)
	return auth, source, c.warnings
}
