package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"lced-runner/certs"
)

// TestPrivateAuthority: GitLab speaks HTTPS with a certificate of its own authority. tls-ca-file, or the file of the host
// beside the configuration, is for the job API, for git and artifacts in the helper, and for the job.
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
	configuration := func(key string) string {
		return fmt.Sprintf("concurrent = 1\ncheck_interval = 1\n[[runners]]\n  url = %q\n  token = %q\n%s  executor = \"docker\"\n  [runners.docker]\n    pull_policy = \"if-not-present\"\n", w.url, w.token, key)
	}
	w.writeConfig(configuration(fmt.Sprintf("  tls-ca-file = %q\n", file)))
	w.startRunner()
	j, log := w.run(job("echo $CI_REPOSITORY_URL | cut -c 1-8", "cat hello.txt", `cat "$CI_SERVER_TLS_CA_FILE"`))
	wantSuccess(t, j, log, "\nhttps://\n", "\nhello from the checkout\n", string(ca))

	// The same file where nobody has to name it.
	w.drain()
	gitlab, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(w.dir, "certs", gitlab.Hostname()+".crt")
	if err := errors.Join(os.Mkdir(filepath.Dir(beside), 0o700), os.Rename(file, beside)); err != nil {
		t.Fatal(err)
	}
	w.writeConfig(configuration(""))
	w.startRunner()
	e := w.pipeline(`
stages: [make, use]
make: {stage: make, script: [echo carried >file], artifacts: {paths: [file]}}
use: {stage: use, script: [cat file]}
`)
	w.check(e, "use", succeeds("carried\n"))
}
