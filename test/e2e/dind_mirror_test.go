package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
)

// TestDindPullThrough: what a sidecar pulls comes through a pull-through cache that the configuration names, as Harbor is one,
// whose authority it knows from the host, and through the job's proxy. The cache gets it from the next one.
func TestDindPullThrough(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	cache := w.startRegistry("http://" + w.mirror())
	proxy, tunnels := w.startProxy(cache.host)
	w.configure(dockerConfig(fmt.Sprintf(`
    image = "busybox:latest"
    pull_policy = "if-not-present"
  [runners.dind]
    privileged = true
    args = ["--registry-mirror", "https://%s"]
`, cache.host)))
	w.startRunner()
	j, log := w.run(dockerJob("docker:latest", []string{"HTTPS_PROXY=" + proxy, "HTTP_PROXY=" + proxy},
		"docker info --format '{{.RegistryConfig.Mirrors}} through {{.HTTPSProxy}}'",
		"docker pull busybox:latest", "docker run --rm busybox echo from the cache"))
	wantSuccess(t, j, log, "[https://"+cache.host+"/] through "+proxy, "\nfrom the cache\n")
	if !cache.holds("library/busybox") {
		t.Error("the cache has not seen the image")
	}
	if tunnels.Load() == 0 {
		t.Error("the proxy was not used")
	}
}

// startProxy serves an HTTP proxy that makes tunnels to one address only, and counts them.
func (w *world) startProxy(to string) (url string, tunnels *atomic.Int64) {
	w.t.Helper()
	tunnels = &atomic.Int64{}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway(w.t, w.docker), "0"))
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		if in.Method != http.MethodConnect || in.Host != to {
			http.Error(out, "not through here", http.StatusForbidden)
			return
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadGateway)
			return
		}
		defer far.Close()
		// Before the answer: the server reads on meanwhile, and what the client sends after it would be lost.
		near, _, err := http.NewResponseController(out).Hijack()
		if err != nil {
			return
		}
		defer near.Close()
		if _, err := io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
		tunnels.Add(1)
		go io.Copy(far, near)
		io.Copy(near, far)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	w.t.Cleanup(func() {
		server.Close()
		<-served
	})
	return "http://" + listener.Addr().String(), tunnels
}
