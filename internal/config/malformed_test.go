package config

import (
	"fmt"
	"strings"
	"testing"
)

// malformed are files that cannot be used. In TOML unless the name says yaml; line is where the mistake is said to be.
func malformed() []struct {
	name, text string
	line       int
	says       string
} {
	head := "[[runners]]\nurl = \"https://gitlab.lan\"\ntoken = \"t\"\nexecutor = \"docker\"\n" // 4 lines
	docker := head + "[runners.docker]\n"                                                       // 5 lines
	type file = struct {
		name, text string
		line       int
		says       string
	}
	return []file{
		{"text", "hello\n", 1, ""},
		{"no value", "concurrent = 1\nlog_level =\n", 2, ""},
		{"no equal sign", "concurrent 1\n", 1, ""},
		{"open string", "log_level = \"info\n", 1, ""},
		{"open long string", "concurrent = 1\nlog_level = \"\"\"info\n", 2, ""},
		{"open list", docker + "volumes = [\"/cache\",\n", 6, ""},
		{"open table", "concurrent = 1\n[runners\n", 2, ""},
		{"unquoted word", "concurrent = 1\nlog_level = info\n", 2, ""},
		{"typographic quotes", "log_level = “info”\n", 1, ""},
		{"backslash", head + "clone_url = \"C:\\path\"\n", 5, ""},
		{"two on a line", "concurrent = 1 check_interval = 3\n", 1, ""},
		{"twice", "concurrent = 1\nconcurrent = 2\n", 2, ""},
		{"twice in another case", "concurrent = 1\nConcurrent = 2\n", 2, "is set here and in line 1"},
		{"table twice", docker + "image = \"a\"\n[runners.docker]\nimage = \"b\"\n", 7, ""},
		{"value and table", "lced = 1\n[lced]\nstate_dir = \"/x\"\n", 2, ""},
		{"one bracket", strings.Replace(head, "[[runners]]", "[runners]", 1), 1, "begin it with [[runners]]"},
		{"leading zero", "concurrent = 01\n", 1, ""},
		{"half a date", head + "token_expires_at = 2026-13-01T00:00:00Z\n", 5, ""},
		{"control character", "concurrent = 1\nlog_level = \"in\x01fo\"\n", 2, ""},
		{"not UTF-8", "concurrent = 1\nlog_level = \"\xff\xfe\"\n", 2, ""},
		{"UTF-16", "\xff\xfec\x00o\x00n\x00=\x001\x00\n\x00", 1, ""},
		{"zero bytes", "concurrent = 1\n\x00\x00\x00\x00\n", 2, ""},
		{"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff", 1, ""},
		{"HTML", "<!DOCTYPE html>\n<html>Sign in</html>\n", 1, ""},
		{"JSON", "{\"concurrent\": 1}\n", 1, ""},
		{"YAML in TOML", "concurrent: 1\nrunners:\n", 1, ""},
		{"string for a number", "concurrent = \"2\"\n", 1, "expected an integer, found the string"},
		{"number for a string", docker + "memory = 128\n", 6, "write it in quotes"},
		{"point in a number", "concurrent = 1.5\n", 1, "expected an integer"},
		{"number that is too large", "check_interval = 99999999999999999999\n", 1, ""},
		{"infinite", "concurrent = inf\n", 1, "expected an integer"},
		{"none at once", "concurrent = 0\n", 1, "expected 1 or more"},
		{"negative limit", head + "limit = -1\n", 5, "expected 0 or more"},
		{"yes for true", docker + "privileged = yes\n", 6, ""},
		{"true in quotes", docker + "privileged = \"true\"\n", 6, "expected true or false"},
		{"string for a list", docker + "volumes = \"/cache\"\n", 6, "expected a list"},
		{"number in a list", docker + "cap_add = [1]\n", 6, "expected a string"},
		{"list for a table", docker + "ulimit = [\"nofile=1\"]\n", 6, "expected a table"},
		{"table for a list", docker + "services = { name = \"redis\" }\n", 6, "expected a list of tables"},
		{"list for a string", docker + "image = [\"alpine\"]\n", 6, "expected a string, found a list"},
		{"size", docker + "memory = \"lots\"\n", 6, "expected a size"},
		{"negative size", docker + "memory_swap = \"-1\"\n", 6, "expected a size"},
		{"processors", docker + "cpus = \"1e999999999\"\n", 6, "expected a number of processors"},
		{"duration", head + "unhealthy_interval = \"1 hour\"\n", 5, "expected a duration"},
		{"pull policy", docker + "pull_policy = \"sometimes\"\n", 6, "expected one of always"},
		{"name server", docker + "dns = [\"router\"]\n", 6, "expected an IP address"},
		{"volume", docker + "volumes = [\n  \"/cache\",\n  \"a:b:c:d\",\n]\n", 8, "expected [source:]destination"},
		{"volume at the root", docker + "volumes = [\"/srv:/\"]\n", 6, "below /"},
		{"volume twice", docker + "volumes = [\n  \"/cache\",\n  \"/srv:/cache/\",\n]\n", 8, "already mounted by the entry in line 7"},
		{"device", docker + "devices = [\"/dev/a:/dev/b:rwm:x\"]\n", 6, "expected \"host"},
		{"variable", head + "environment = [\"NAME\"]\n", 5, "expected \"NAME=value\""},
		{"builds at the root", head + "builds_dir = \"/\"\n", 5, "absolute path below /"},
		{"engine by ssh", docker + "host = \"ssh://board\"\n", 6, "ssh and other ways are not supported"},
		{"address", strings.Replace(docker, "https://", "ftp://", 1), 2, "expected a URL"},
		{"no docker table", head, 1, "add a [runners.docker] table"},
		{"mode of dind", docker + "[runners.dind]\nmode = \"maybe\"\n", 7, "expected one of auto"},
		{"deep list", "x = " + strings.Repeat("[", 1<<20), 1, "nested more than"},
		{"huge", "#" + strings.Repeat("x", 5<<20), 1, "more than 4 MiB"},
		{"yaml: deep list", strings.Repeat("[", 1<<20), 1, "max depth"},
		{"yaml: tab", "runners:\n\t- name: a\n", 2, ""},
		{"yaml: open list", "runners: [\n", 1, ""},
		{"yaml: open quote", "log_level: \"info\n", 2, ""},
		{"yaml: indentation", "runners:\n  - name: a\n   url: b\n", 1, ""},
		{"yaml: twice", "concurrent: 1\nconcurrent: 2\n", 2, ""},
		{"yaml: a list", "- concurrent\n", 1, "expected keys and values"},
		{"yaml: a word", "concurrent\n", 1, "expected keys and values"},
		{"yaml: two documents", "concurrent: 1\n---\nconcurrent: 2\n", 2, "more than one document"},
		{"yaml: unknown anchor", "concurrent: *many\n", 1, ""},
		{"yaml: anchor in itself", "runners: &r\n  - *r\n", 2, ""},
		{"yaml: merge", "a: &a\n  x: 1\nb:\n  <<: *a\n", 4, "merge keys are not supported"},
		{"yaml: runners as a table", "runners:\n  name: a\n", 2, "expected a list of tables"},
		{"yaml: number as a string", "concurrent: \"4\"\n", 1, "expected an integer"},
		{"yaml: key that is a list", "concurrent: 1\n? [a, b]\n: 1\n", 2, "expected a word as key"},
	}
}

// fileOf is the name of a malformed file, which decides its notation.
func fileOf(name string) string {
	if strings.HasPrefix(name, "yaml") {
		return "config.yaml"
	}
	return "config.toml"
}

// TestMalformed checks that each file that cannot be used gives a sentence with its line.
func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, m := range malformed() {
		file := fileOf(m.name)
		c, _, err := Parse([]byte(m.text), file, environment)
		if err == nil || c.Usable() {
			t.Errorf("%s: usable: %v, error %v", m.name, c.Usable(), err)
			continue
		}
		first, _, _ := strings.Cut(err.Error(), "\n")
		if !strings.HasPrefix(first, fmt.Sprintf("%s:%d: ", file, m.line)) || !strings.Contains(first, m.says) || len(strings.Fields(first)) < 4 {
			t.Errorf("%s: %q, want line %d and %q", m.name, err, m.line, m.says)
		}
	}
}
