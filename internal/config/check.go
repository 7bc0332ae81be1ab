package config

import (
	"errors"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// check is what the tags check and names ask of a string, or of the names in a table, that is not empty. Its errors say
// what is expected.
func check(name, value string) error {
	is := func(pattern string) bool { return regexp.MustCompile(`^(` + pattern + `)$`).MatchString(value) }
	ok, expected := true, ""
	switch name {
	case "dir":
		ok, expected = path.IsAbs(value) && path.Clean(value) != "/", "an absolute path below /"
	case "path":
		ok, expected = path.IsAbs(value), "an absolute path"
	case "url":
		u, err := url.Parse(value)
		ok = err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
		expected = "a URL such as https://gitlab.example.com"
	case "engine":
		scheme, rest, _ := strings.Cut(value, "://")
		ok = (scheme == "unix" || scheme == "tcp") && rest != ""
		expected = "unix:///var/run/docker.sock or tcp://host:2376, as ssh and other ways are not supported"
	case "glob":
		ok, expected = doublestar.ValidatePattern(value), "a glob such as docker:* or registry.example.com/**"
	case "address":
		_, port, err := net.SplitHostPort(value)
		ok, expected = err == nil && port != "", "an address with a port, such as [::]:8093"
	case "reachable":
		host, port, err := net.SplitHostPort(value)
		ok = err == nil && host != "" && port != ""
		expected = "the name or address of this machine and a port, such as board.example.com:8093, without https://"
	case "host":
		i := strings.IndexAny(value, ":=")
		ok, expected = i > 0 && i < len(value)-1, "name:address, such as gitlab.lan:192.168.1.5"
	case "link":
		ok, expected = is(`/?[\w.-]+(:[\w.-]+)?`), "container or container:alias"
	case "from":
		ok, expected = is(`[\w.-]+(:(ro|rw|z|Z))?`), "container, container:ro or container:rw"
	case "mac":
		mac, err := net.ParseMAC(value)
		ok, expected = err == nil && len(mac) == 6, "a MAC address such as 92:d0:c6:0a:29:33"
	case "pid":
		ok, expected = is(`host|container:.+`), "host or container:NAME"
	case "ipc":
		ok, expected = is(`none|private|shareable|host|container:.+`), "none, private, shareable, host or container:NAME"
	case "cpuset":
		ok, expected = is(`\d+(-\d+)?(,\d+(-\d+)?)*`), "numbers and ranges such as 0,2-3"
	case "cgrouprule":
		ok, expected = is(`[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}`), "type, major:minor and access, such as c 188:* rwm"
	case "security":
		ok = is(`no-new-privileges|(?s)[a-z-]+[=:].+`)
		expected = "an option such as no-new-privileges, apparmor=PROFILE or seccomp=PATH"
	case "ulimit":
		names := strings.Fields("core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack")
		ok, expected = slices.Contains(names, value), "a limit that docker knows: "+strings.Join(names, ", ")
	case "log":
		ok, expected = value == "env" || value == "labels", "env or labels: gitlab-runner accepts no other"
	}
	if !ok {
		return errors.New("expected " + expected)
	}
	return nil
}
