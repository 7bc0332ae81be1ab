package dind

import (
	"net"
	"net/url"
	"path"
	"strconv"
	"strings"
)

const (
	plainPort = "2375" // docker's registered port without TLS
	tlsPort   = "2376" // and with it
)

// endpoint is a DOCKER_HOST, taken apart. Its zero value means that there is none.
type endpoint struct {
	text   string
	host   string // of a tcp endpoint, without port
	port   string // of a tcp endpoint; docker's own default where the text has none
	socket string // path of a unix endpoint
}

// parseEndpoint reads a DOCKER_HOST; without a scheme it is tcp, as docker's client reads it. Anything that is neither tcp nor unix (ssh, fd, nonsense) names another machine's
// daemon as far as this package is concerned: only text is set.
func parseEndpoint(text string) endpoint {
	e := endpoint{text: text}
	if text != "" && !strings.Contains(text, "://") {
		text = "tcp://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return e
	}
	switch u.Scheme {
	case "unix":
		e.socket = path.Clean("/" + u.Host + u.Path)
	case "tcp", "http", "https":
		e.host, e.port = u.Hostname(), u.Port()
		if e.port == "" {
			e.port = plainPort
		}
	}
	return e
}

// mayListen says whether there is such a port.
func mayListen(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// isLoopback says whether a host name or address is the container itself, or a resolver's address inside it.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// within says whether a path is dir or below it.
func within(name, dir string) bool {
	name, dir = path.Clean(name), path.Clean(dir)
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

// samePath compares two paths in a container, where /var/run is a link to /run.
func samePath(a, b string) bool { return runPath(a) == runPath(b) }

func runPath(name string) string {
	name = path.Clean(name)
	if within(name, "/var/run") {
		return strings.TrimPrefix(name, "/var")
	}
	return name
}

// HoldsSocket reports whether the mount brings the host's docker socket, as a file or with its directory.
func HoldsSocket(m Mount) bool {
	_, holds := socketIn(m)
	return holds
}

// socketIn returns where B finds the host's docker socket if the mount brings it, as a file or with its directory.
func socketIn(m Mount) (string, bool) {
	switch {
	case m.Source == "":
		return "", false
	case path.Base(m.Source) == "docker.sock", samePath(m.Destination, "/run/docker.sock"):
		return path.Clean(m.Destination), true
	case samePath(m.Source, "/run"):
		return path.Join(m.Destination, "docker.sock"), true
	}
	return "", false
}
