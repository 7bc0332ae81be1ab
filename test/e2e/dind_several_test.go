package e2e

import (
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
)

// TestDindSeveral: a job with two daemons reaches each by its name, with one set of certificates. No key of their authority is
// anywhere, and a later job gets certificates of another.
func TestDindSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, map[string]string{"busybox": staticBusybox(t)})
	spec := beside(dockerJob("docker:latest", nil,
		`echo "first=$(docker info --format '{{.Name}}')"`,
		`echo "second=$(docker -H tcp://second:2376 info --format '{{.Name}}')"`,
		"chmod 755 busybox; tar -c busybox | docker import - tiny >/dev/null",
		"docker run --rm -v /certs:/c tiny /busybox find /c -type f | sort",
		// A key of the authority would have the public key of its certificate.
		`docker run --rm -v /certs:/c tiny /busybox tar -c -C /c . | tar -x`,
		`for key in $(grep -rl PRIVATE . --include='*.pem'); do echo "key=$key"; openssl pkey -in $key -pubout >of-key; openssl x509 -in ca/cert.pem -noout -pubkey | cmp -s - of-key && echo "authority=$key"; done; true`,
		`echo "authorities=$(cksum <$DOCKER_CERT_PATH/ca.pem)"`,
	), ciyaml.Service{Image: ciyaml.Image{Name: "docker:dind"}}, ciyaml.Service{Image: ciyaml.Image{Name: "docker:24-dind"}, Alias: "second"})
	authorities := map[string]bool{}
	for range 2 {
		j, log := w.run(spec)
		wantSuccess(t, j, log,
			"\n/c/ca/cert.pem\n/c/client/ca.pem\n/c/client/cert.pem\n/c/client/key.pem\n/c/server/ca.pem\n/c/server/cert.pem\n/c/server/key.pem\n",
			"\nkey=./client/key.pem\n", "\nkey=./server/key.pem\n")
		if strings.Contains(log, "\nauthority=") {
			t.Errorf("the authority's key is in the sidecar:\n%s", log)
		}
		if first, second := said(t, log, "first="), said(t, log, "second="); first == second || first == "" || second == "" {
			t.Errorf("the daemons are %q and %q, want two", first, second)
		}
		authorities[said(t, log, "authorities=")] = true
	}
	if len(authorities) != 2 {
		t.Errorf("two jobs had certificates of the authorities %v", authorities)
	}
}
