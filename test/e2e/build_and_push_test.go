package e2e

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// TestBuildAndPush is what the board is for: an image is built in a sidecar and pushed to a private registry with TLS and a
// login, and later jobs pull it, in a sidecar and as their own image. It runs with an older engine and with a newer one,
// which has buildx. LCED_ARCHITECTURE, of a Debian, builds for another architecture by emulation, with LCED_BUSYBOX, the
// program of the image.
func TestBuildAndPush(t *testing.T) {
	t.Parallel()
	architecture, machine := runtime.GOARCH, map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	busybox := ""
	if other := os.Getenv("LCED_ARCHITECTURE"); other != "" {
		text, err := os.ReadFile(os.Getenv("LCED_BUSYBOX"))
		if err != nil {
			t.Fatal(err)
		}
		architecture, busybox = other, string(text)
	} else {
		busybox = staticBusybox(t)
	}
	w := prepareWorld(t, map[string]string{
		"busybox": busybox,
		"Dockerfile": "FROM scratch\nCOPY busybox /bin/busybox\n" +
			`RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin; /bin/uname -m >/architecture"]` + "\n" +
			`CMD ["sh", "-c", "echo \"the image of $(cat /architecture) runs on $(uname -m)\""]` + "\n",
	})
	registry := w.startRegistry("")
	w.configure(plainConfig)
	w.startRunner()
	t.Cleanup(func() { w.removeImages(registry.host) })
	var pipelines []int64
	for _, docker := range []string{"docker:latest", "docker:26-dind"} {
		pipelines = append(pipelines, w.submitNotes("build-and-push.yml", map[string]string{
			"HARBOR_HOST": registry.host, "HARBOR_USER": registry.user, "HARBOR_PASSWORD": registry.password,
			"DOCKER_AUTH_CONFIG": registry.authConfig(), "DOCKER_IMAGE": docker,
			"ARCHITECTURE": architecture, "PROJECT_NAME": strings.NewReplacer(":", "-").Replace(docker),
		}))
	}
	of := machine[architecture]
	for _, id := range pipelines {
		for _, j := range w.awaitPipeline(id) {
			log := string(w.gitlab.Trace(j.ID))
			t.Logf("%s of pipeline %d took %v", j.Name, id, j.Duration())
			wantSuccess(t, j, log)
			wantTexts(t, log, map[string]string{
				"deploy": "\nthe image of " + of + " runs on " + of + "\n",
				"itself": "\nthis job runs in the image of " + of + "\n",
				"upload": "\nLogin Succeeded\n",
			}[j.Name])
		}
	}
}

// removeImages removes what jobs have pulled from a registry.
func (w *world) removeImages(host string) {
	w.drain()
	list, err := w.docker.ImageList(cleanupContext(), client.ImageListOptions{Filters: client.Filters{}.Add("reference", host+"/*/*")})
	if err != nil {
		w.t.Error(err)
	}
	for _, image := range list.Items {
		for _, name := range slices.Concat(image.RepoTags, image.RepoDigests) { // the image itself may have other names
			if !strings.HasPrefix(name, host+"/") {
				continue
			}
			if _, err := w.docker.ImageRemove(cleanupContext(), name, client.ImageRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
				w.t.Error(err)
			}
		}
	}
}

// submitNotes submits a pipeline of test/notes with variables of the project; those of passwords are masked.
func (w *world) submitNotes(name string, variables map[string]string) int64 {
	w.t.Helper()
	pipeline, err := ciyaml.Parse([]byte(notes(w.t, name)), name)
	if err != nil {
		w.t.Fatal(err)
	}
	s := coordinator.Submission{Pipeline: pipeline, Repository: w.repo}
	for key, value := range variables {
		s.Variables = append(s.Variables, coordinator.Variable{Key: key, Value: value, Raw: true, Masked: strings.HasSuffix(key, "PASSWORD")})
	}
	id, err := w.gitlab.Submit(w.t.Context(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}
