package dind

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDaemonProxies(t *testing.T) {
	t.Parallel()
	host := Host{HTTPProxy: "http://proxy.lan:3128", HTTPSProxy: "http://proxy.lan:3128", NoProxy: "harbor.lan,10.0.0.0/8"}
	fromHost := map[string]string{"HTTP_PROXY": "http://proxy.lan:3128", "HTTPS_PROXY": "http://proxy.lan:3128", "NO_PROXY": "harbor.lan,10.0.0.0/8"}
	for _, test := range []struct {
		name      string
		host      Host
		variables func(string) (string, bool)
		service   map[string]string
		want      map[string]string
		warn      string
	}{
		{"none", Host{NoProxy: "lan"}, nil, nil, map[string]string{}, ""},
		{"the engine's", host, nil, nil, fromHost, ""},
		{"the job's", host, vars("https_proxy", "http://job:1"), nil, map[string]string{"https_proxy": "http://job:1"}, ""},
		{"the job wants none", host, vars("HTTP_PROXY", "", "HTTPS_PROXY", ""), nil, map[string]string{"HTTP_PROXY": "", "HTTPS_PROXY": ""}, ""},
		{"the service's", host, vars("HTTP_PROXY", "http://job:1"), map[string]string{"HTTP_PROXY": "http://service:2"}, map[string]string{"HTTP_PROXY": "http://service:2"}, ""},
		{"on the host's loopback", Host{HTTPProxy: "http://127.0.0.1:3128"}, nil, nil, map[string]string{}, ""},
		{"with a login", Host{HTTPSProxy: "http://xxxxx:xxxxx@proxy.lan:3128"}, nil, nil, map[string]string{}, "goes without HTTPS_PROXY"},
	} {
		job := Job{
			Privileged: true, BuildImage: "docker:latest", Host: test.host, Variables: test.variables,
			Services: []Service{{Name: "docker:dind", Aliases: []string{"docker"}, Variables: test.service}},
		}
		setup, err := Decide(job)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for name, value := range setup.Sidecars[0].Env {
			if strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
				got[name] = value
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if warned := strings.Join(setup.Warnings, "\n"); !strings.Contains(warned, test.warn) || test.warn == "" && warned != "" {
			t.Errorf("%s: warnings %q", test.name, warned)
		}
	}
}
