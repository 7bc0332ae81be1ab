package config

import (
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	t.Parallel()
	const etc, container, home = "/etc/gitlab-runner/config", "/home/gitlab-runner/.gitlab-runner/config", "/home/me/.gitlab-runner/config"
	for _, test := range []struct {
		name, flag, variable string
		files                []string
		want                 string
	}{
		{name: "flag beats all", flag: "/f.toml", variable: "/v.toml", files: []string{etc + ".toml"}, want: "/f.toml"},
		{name: "CONFIG_FILE", variable: "/v.toml", files: []string{etc + ".toml"}, want: "/v.toml"},
		{name: "etc", files: []string{home + ".toml", container + ".toml", etc + ".toml"}, want: etc + ".toml"},
		{name: "toml before yaml", files: []string{etc + ".yaml", etc + ".toml"}, want: etc + ".toml"},
		{name: "yaml beside it", files: []string{etc + ".yaml", container + ".toml"}, want: etc + ".yaml"},
		{name: "container", files: []string{home + ".toml", container + ".toml"}, want: container + ".toml"},
		{name: "home", files: []string{home + ".yaml"}, want: home + ".yaml"},
	} {
		env := func(name string) string {
			if name == "CONFIG_FILE" {
				return test.variable
			}
			return ""
		}
		got, err := Find(test.flag, env, "/home/me", func(path string) bool { return slices.Contains(test.files, path) })
		if got != test.want || err != nil {
			t.Errorf("%s: Find = %q, %v; want %q", test.name, got, err, test.want)
		}
	}
}

func TestFindNothing(t *testing.T) {
	t.Parallel()
	none := func(string) string { return "" }
	_, err := Find("", none, "/home/me", func(string) bool { return false })
	for _, place := range []string{"/etc/gitlab-runner", "/home/gitlab-runner/.gitlab-runner", "/home/me/.gitlab-runner", "--config", "CONFIG_FILE"} {
		if err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("the error does not name %s: %v", place, err)
		}
	}
}
