package helper

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// tokenVariable carries the job's token to the credential helper. It is GitLab's own variable: in the job's container,
// where the same configuration is used, it is there already.
const tokenVariable = "CI_JOB_TOKEN"

// setting is one key of git's configuration with its value.
type setting struct{ key, value string }

// gitEnvironment is what git and hooks see: the container's variables, the job's, and our settings, which win over every file.
// privateDir, outside all volumes, takes the certificates.
func (r *Request) gitEnvironment(container []string, privateDir string) ([]string, error) {
	src := r.Sources
	settings := src.safetySettings()
	settings = append(settings,
		setting{"include.path", filepath.Join(r.TempDir, extConfigFile)},
		setting{"transfer.bundleURI", strconv.FormatBool(src.BundleURIs)},
		// Nothing may go on behind the stage's back.
		setting{"gc.autoDetach", "false"},
		setting{"maintenance.autoDetach", "false"},
	)
	if src.UserAgent != "" {
		settings = append(settings, setting{"http.userAgent", src.UserAgent})
	}
	if src.CorrelationID != "" {
		settings = append(settings, setting{"http.extraHeader", "X-Gitaly-Correlation-ID: " + src.CorrelationID})
	}
	for _, origin := range src.origins() {
		if src.ProactiveAuth {
			settings = append(settings, setting{"http." + origin + ".proactiveAuth", "basic"})
		}
	}
	certificates, err := r.certificates(privateDir)
	if err != nil {
		return nil, err
	}
	env := slices.Concat(container, slices.DeleteFunc(slices.Clone(r.Env), isForImage))
	env = withSettings(env, append(settings, certificates...))
	return append(env,
		tokenVariable+"="+src.Token,
		"GLR_EXT_GIT_CONFIG_PATH="+filepath.Join(r.TempDir, extConfigFile),
		"GIT_TERMINAL_PROMPT=0",
		"GCM_INTERACTIVE=Never",
		"GIT_LFS_SKIP_SMUDGE=1", // files come with one "git lfs pull" afterwards
		// A damaged .git must not make git take a repository further up for the project's.
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(r.ProjectDir),
		// refs/replace of an earlier job must not change what is checked out.
		"GIT_NO_REPLACE_OBJECTS=1",
	), nil
}

// safetySettings keep files of the repository from running commands.
func (src *Sources) safetySettings() []setting {
	settings := []setting{
		{"core.hooksPath", os.DevNull},
		{"core.fsmonitor", "false"},
		{"protocol.ext.allow", "never"},
		{"protocol.file.allow", "user"}, // git's default since 2.38.1: not for submodules
		{"safe.bareRepository", "explicit"},
		{"credential.interactive", "never"},
	}
	if src.SafeDirectory {
		// The checkout and its submodules; the other directories here are the helper's own.
		settings = append(settings, setting{"safe.directory", "*"})
	}
	return settings
}

// certificates writes the certificates of the connection to GitLab where only this stage can read them, for the
// servers that the token is for.
func (r *Request) certificates(privateDir string) ([]setting, error) {
	var settings []setting
	for _, file := range []struct {
		key, name string
		content   []byte
	}{
		{"sslCAInfo", "ca.pem", r.Sources.CACertPEM},
		{"sslCert", "client.pem", r.Sources.ClientCertPEM},
		{"sslKey", "client-key.pem", r.Sources.ClientKeyPEM},
	} {
		if len(file.content) == 0 {
			continue
		}
		path := filepath.Join(privateDir, file.name)
		if err := writeFresh(path, file.content, 0o600); err != nil {
			return nil, fmt.Errorf("certificate for git: %w", err)
		}
		for _, origin := range r.Sources.origins() {
			settings = append(settings, setting{"http." + origin + "." + file.key, path})
		}
	}
	return settings, nil
}

// withSettings adds settings to those that env has already (GIT_CONFIG_COUNT of a job counts).
func withSettings(env []string, settings []setting) []string {
	count := 0
	for _, variable := range env {
		if text, ok := strings.CutPrefix(variable, "GIT_CONFIG_COUNT="); ok {
			count, _ = strconv.Atoi(text) // a count that is none ends git with an error; ours takes its place
		}
	}
	count = max(count, 0)
	for _, set := range settings {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", count, set.key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", count, set.value))
		count++
	}
	return append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", count))
}

// isForImage says whether a job variable is about programs in the job's image, and would break those of the helper.
func isForImage(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.Contains([]string{"PATH", "HOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV"}, name)
}

// origins are scheme and host of the servers that the token is for.
func (src *Sources) origins() []string {
	var origins []string
	for _, address := range []string{src.RepoURL, src.BaseURL} {
		u, err := url.Parse(address)
		if err == nil && (u.Scheme == "http" || u.Scheme == "https") {
			origins = append(origins, u.Scheme+"://"+u.Host)
		}
	}
	slices.Sort(origins)
	return slices.Compact(origins)
}

// extConfig is the configuration that .git/config includes, so that git works in the job's own scripts too. It holds no
// secret: the token is read from the job's environment when git asks for it. Every user of the job may read it.
func (src *Sources) extConfig() string {
	var b strings.Builder
	helper := fmt.Sprintf(`!f() { if test "$1" = get; then printf 'username=%%s\npassword=%%s\n' %s "$%s"; fi; }; f`,
		shellQuote(src.Username), tokenVariable)
	for _, origin := range src.origins() {
		fmt.Fprintf(&b, "[credential %s]\n\thelper = %s\n", configQuote(origin), configQuote(helper))
	}
	if base := src.httpsBase(); src.SubmoduleForceHTTPS && base != "" {
		fmt.Fprintf(&b, "[url %s]\n", configQuote(base))
		for _, form := range src.sshForms() {
			fmt.Fprintf(&b, "\tinsteadOf = %s\n", configQuote(form))
		}
	}
	return b.String()
}

// httpsBase is the address below which the server's repositories lie, with a slash at its end.
func (src *Sources) httpsBase() string {
	if src.BaseURL != "" {
		return strings.TrimSuffix(src.BaseURL, "/") + "/"
	}
	if origins := src.origins(); len(origins) > 0 {
		return origins[0] + "/"
	}
	return ""
}

// sshForms are the beginnings of SSH addresses on the server. The short form cannot name a port.
func (src *Sources) sshForms() []string {
	host := src.ServerSSHHost
	if host == "" {
		host = src.ServerHost
	}
	switch {
	case host == "":
		return nil
	case src.ServerSSHPort == "" || src.ServerSSHPort == "22":
		return []string{"git@" + host + ":", "ssh://git@" + host + "/"}
	}
	return []string{"ssh://git@" + host + ":" + src.ServerSSHPort + "/"}
}

// templateConfig is the .git/config of a new checkout.
func (r *Request) templateConfig() string {
	return fmt.Sprintf(`[init]
	defaultBranch = none
[fetch]
	recurseSubmodules = false
[credential]
	interactive = never
[gc]
	autoDetach = false
[remote "origin"]
	url = %s
	fetch = +refs/heads/*:refs/remotes/origin/*
[include]
	path = %s
`, configQuote(r.Sources.RepoURL), configQuote(filepath.Join(r.TempDir, extConfigFile)))
}

// configQuote writes a value or a subsection for a git configuration file.
func configQuote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}

func shellQuote(word string) string {
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
