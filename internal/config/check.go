package config

import (
	"errors"
	"net"
	"net/url"
	"path"
	"strings"
)

// check is what the tag check asks of a string that is not empty. Its errors say what is expected.
func check(name, value string) error {
	switch name {
	case "dir":
		if !path.IsAbs(value) || path.Clean(value) == "/" {
			return errors.New("expected an absolute path below /")
		}
	case "url":
		u, err := url.Parse(value)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New("expected a URL such as https://gitlab.example.com")
		}
	case "engine":
		scheme, rest, _ := strings.Cut(value, "://")
		if scheme != "unix" && scheme != "tcp" || rest == "" {
			return errors.New("expected unix:///var/run/docker.sock or tcp://host:2376, as ssh and other ways are not supported")
		}
	case "glob":
		if _, err := path.Match(value, ""); err != nil {
			return errors.New("expected a glob such as docker:* or registry.example.com/**")
		}
	case "address":
		if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
			return errors.New("expected an address with a port, such as [::]:8093")
		}
	case "reachable":
		if host, port, err := net.SplitHostPort(value); err != nil || host == "" || port == "" {
			return errors.New("expected the name or address of this machine and a port, such as board.example.com:8093, without https://")
		}
	case "host":
		if i := strings.IndexAny(value, ":="); i < 1 || i == len(value)-1 {
			return errors.New("expected name:address, such as gitlab.lan:192.168.1.5")
		}
	}
	return nil
}
