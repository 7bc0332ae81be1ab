package dind

import (
	"net/url"
	"strings"
)

// proxyNames are the variables by which dockerd, docker's client and most others find their proxies.
func proxyNames() []string {
	return []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}
}

// proxyEnv gives the daemon the proxies by which it pulls and pushes: the job's, whatever kind of variable they are, else those
// of the host's engine.
func proxyEnv(w *wiring, s *Sidecar) {
	said := false
	for _, name := range proxyNames() {
		if value, ok := w.serviceVariable(*s, name); ok {
			s.Env[name], said = value, true
		}
	}
	if said {
		return
	}
	host := w.job.Host
	for _, of := range [][2]string{{"HTTP_PROXY", host.HTTPProxy}, {"HTTPS_PROXY", host.HTTPSProxy}} {
		name, value := of[0], of[1]
		switch u, err := url.Parse(value); {
		case value == "":
		case err == nil && u.User != nil:
			// The engine shows xxxxx:xxxxx in its place.
			w.setup.warn("the proxy of the host's engine needs a login, which the engine does not tell: the sidecar goes without %s; set it in environment of [[runners]], or in the job", name)
		case err == nil && !isLoopback(u.Hostname()): // the host's loopback is another place in S
			s.Env[name] = value
		}
	}
	if s.Env["HTTP_PROXY"]+s.Env["HTTPS_PROXY"] != "" && strings.TrimSpace(host.NoProxy) != "" {
		s.Env["NO_PROXY"] = host.NoProxy
	}
}
