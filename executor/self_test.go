package executor

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	idA = "7a1c5c0fd1f3c2c1a6a3a4f1b7ed0c9c3fd0b8a25a64a0f4a2c6d9b1e8f70a11"
	idB = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func TestContainerIDs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, mountinfo string
		want            []string
	}{
		{"docker, cgroup v1", `
600 500 0:52 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/AAA,upperdir=/var/lib/docker/overlay2/` + idB + `/diff
604 603 0:30 /docker/` + idA + ` /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:11 - cgroup cgroup rw,memory
620 600 8:1 /var/lib/docker/containers/` + idA + `/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/sda1 rw
621 600 8:1 /var/lib/docker/containers/` + idA + `/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw
622 600 8:1 /var/lib/docker/containers/` + idA + `/hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw`, []string{idA}},
		{"docker, cgroup v2, another data-root", `
1071 1070 0:31 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate
1080 1069 259:2 /srv/docker/containers/` + idA + `/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/nvme0n1p2 rw
1081 1069 259:2 /srv/docker/containers/` + idA + `/hosts /etc/hosts rw,relatime - ext4 /dev/nvme0n1p2 rw`, []string{idA}},
		{"docker in docker, data on a volume", `
900 899 8:1 /var/lib/docker/volumes/` + idB + `/_data/containers/` + idA + `/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw`, []string{idA}},
		{"podman", `
823 800 0:26 /containers/storage/overlay-containers/` + idA + `/userdata/resolv.conf /etc/resolv.conf rw,nosuid,nodev,relatime - tmpfs tmpfs rw
824 800 0:26 /containers/storage/overlay-containers/` + idA + `/userdata/hostname /etc/hostname rw,nosuid,nodev,relatime - tmpfs tmpfs rw`, []string{idA}},
		{"a container's directory mounted into it", `
620 600 8:1 /var/lib/docker/containers/` + idB + `/x-json.log /watched rw - ext4 /dev/sda1 rw
621 600 8:1 /var/lib/docker/containers/` + idA + `/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw
622 600 8:1 /var/lib/docker/containers/` + idB + `/x-json.log /too rw - ext4 /dev/sda1 rw`, []string{idA}},
		{"a host with docker", `
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
300 22 0:52 / /var/lib/docker/overlay2/` + idA + `/merged rw,relatime shared:160 - overlay overlay rw`, nil},
		{"nothing", "", nil},
	} {
		if diff := cmp.Diff(test.want, containerIDs(test.mountinfo)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestOwnImage(t *testing.T) {
	t.Parallel()
	e := fakeEngine(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/containers/"+idA+"/json":
			fmt.Fprintf(w, `{"Id":%q,"Image":"sha256:own","Config":{"Labels":{%q:"1"}}}`, idA, labelImage)
		case r.URL.Path == "/containers/"+idB+"/json":
			fmt.Fprintf(w, `{"Id":%q,"Image":"sha256:foreign","Config":{"Labels":{}}}`, idB)
		case r.URL.Path == "/images/lced-runner:1.2.3/json":
			fmt.Fprint(w, `{"Id":"sha256:release"}`)
		case r.URL.Path == "/images/example/helper:1/json":
			fmt.Fprint(w, `{"Id":"sha256:configured"}`)
		case r.URL.Path == "/images/create":
			refuse(w, http.StatusNotFound, "manifest unknown")
		default:
			refuse(w, http.StatusNotFound, "no such thing")
		}
	})
	inContainer := "1 2 8:1 /var/lib/docker/containers/" + idA + "/hostname /etc/hostname rw - ext4 /dev/sda1 rw"
	foreign := strings.ReplaceAll(inContainer, idA, idB)
	elsewhere := strings.ReplaceAll(inContainer, idA, strings.Repeat("e", 64))
	for _, test := range []struct{ name, mountinfo, configured, release, want string }{
		{"in a container", inContainer, "", "lced-runner:1.2.3", "sha256:own"},
		{"helper_image wins", inContainer, "example/helper:1", "lced-runner:1.2.3", "sha256:configured"},
		{"a plain binary", "", "", "lced-runner:1.2.3", "sha256:release"},
		{"in a container of another image", foreign, "", "lced-runner:1.2.3", "sha256:release"},
		{"in a container of another engine", elsewhere, "", "lced-runner:1.2.3", "sha256:release"},
	} {
		got, err := e.OwnImage(t.Context(), test.mountinfo, Image{Ref: test.configured}, test.release)
		if err != nil || got != test.want {
			t.Errorf("%s: %q (%v), want %q", test.name, got, err, test.want)
		}
	}
	_, err := e.OwnImage(t.Context(), "", Image{}, "lced-runner:9")
	if err == nil || !strings.Contains(err.Error(), "lced-runner:9") || !strings.Contains(err.Error(), "helper_image") {
		t.Errorf("no image at all: %v", err)
	}
}
