package e2e

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"lced-runner/certs"
)

// harbor is a private registry as Harbor is one: HTTPS with a certificate of its own authority, which the host's engine
// knows by /etc/docker/certs.d, and a login.
type harbor struct {
	host           string // with port
	user, password string
	dir            string // holds its storage
}

// authConfig is docker's configuration with the login.
func (r harbor) authConfig() string {
	return fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, r.host, base64.StdEncoding.EncodeToString([]byte(r.user+":"+r.password)))
}

// holds reports whether the registry stores a repository.
func (r harbor) holds(repository string) bool {
	_, err := os.Stat(filepath.Join(r.dir, "docker/registry/v2/repositories", repository))
	return err == nil
}

// startRegistry serves a registry where jobs reach it. With upstream, a URL, it is a pull-through cache of that, without a login.
func (w *world) startRegistry(upstream string) harbor {
	t := w.t
	t.Helper()
	if os.Getuid() != 0 {
		required(t, "only root can make a registry's authority known to the engine")
	}
	dir := t.TempDir()
	address := gateway(t, w.docker)
	r := harbor{host: net.JoinHostPort(address, freePort(t, address)), user: "robot$lced", password: "Harbor-12345", dir: dir}
	bundle, err := certs.New(nil, []net.IP{net.ParseIP(address)})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(r.password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	kind := fmt.Sprintf("auth: {htpasswd: {realm: harbor, path: %s}}", filepath.Join(dir, "users"))
	if upstream != "" {
		kind = fmt.Sprintf("proxy: {remoteurl: %s}", upstream)
	}
	known := filepath.Join("/etc/docker/certs.d", r.host)
	t.Cleanup(func() { os.RemoveAll(known) })
	for name, data := range map[string][]byte{
		filepath.Join(dir, "cert.pem"): bundle.ServerCert, filepath.Join(dir, "key.pem"): bundle.ServerKey,
		filepath.Join(dir, "users"): fmt.Appendf(nil, "%s:%s\n", r.user, hash), filepath.Join(known, "ca.crt"): bundle.CA,
		filepath.Join(dir, "config.yml"): fmt.Appendf(nil, `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %q, tls: {certificate: %s, key: %s}}
%s
`, dir, r.host, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), kind),
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	serve(t, filepath.Join(dir, "config.yml"), r.host)
	return r
}

// serve runs docker-registry until the end of the test.
func serve(t *testing.T, config, address string) {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		required(t, "no docker-registry on this machine: install the package of that name")
	}
	log := &syncBuffer{}
	cmd := exec.Command(program, "serve", config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("log of the registry:\n%s", log)
		}
	})
	for late := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if len(ended) > 0 || time.Now().After(late) {
			t.Fatalf("the registry does not answer: %v\n%s", err, log)
		}
	}
}

// freePort is one of an address of this machine on which nobody listens.
func freePort(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
