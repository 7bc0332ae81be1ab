package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"lced-runner/certs"
)

// TestPrivateAuthority: GitLab speaks HTTPS with a certificate of its own authority. tls-ca-file is for the job API, for
// git and artifacts in the helper, and for the job.
func TestPrivateAuthority(t *testing.T) {
	t.Parallel()
	var ca []byte
	w := prepareSecureWorld(t, map[string]string{"hello.txt": "hello from the checkout\n"}, func(address net.IP) tls.Certificate {
		bundle, err := certs.New(nil, []net.IP{address})
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(bundle.ServerCert, bundle.ServerKey)
		if err != nil {
			t.Fatal(err)
		}
		ca = bundle.CA
		return pair
	})
	file := filepath.Join(w.dir, "ca.crt")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	w.writeConfig(fmt.Sprintf(`concurrent = 1
check_interval = 1
[[runners]]
  url = %q
  token = %q
  tls-ca-file = %q
  executor = "docker"
  [runners.docker]
    pull_policy = "if-not-present"
`, w.url, w.token, file))
	w.startRunner()
	j, log := w.run(job("echo $CI_REPOSITORY_URL | cut -c 1-8", "cat hello.txt", `cat "$CI_SERVER_TLS_CA_FILE"`))
	wantSuccess(t, j, log, "\nhttps://\n", "\nhello from the checkout\n", string(ca))

	e := w.pipeline(`
stages: [make, use]
make: {stage: make, script: [echo carried >file], artifacts: {paths: [file]}}
use: {stage: use, script: [cat file]}
`)
	w.check(e, "use", succeeds("carried\n"))
}
