package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"lced-runner/internal/config"
	"lced-runner/internal/coordinator"
)

// storageConfig keeps the images of a project.
const storageConfig = plainConfig + `
    storage = "project"
`

// tenLayers is a repository with a Dockerfile of ten layers.
func tenLayers(t *testing.T) map[string]string {
	files := map[string]string{"busybox": staticBusybox(t), "hello.txt": "hello from the checkout\n"}
	dockerfile := "FROM scratch\nCOPY busybox /busybox\nRUN [\"/busybox\", \"touch\", \"/made\"]\n"
	for n := range 8 {
		name := fmt.Sprintf("part-%d", n)
		files[name] = name
		dockerfile += "COPY " + name + " /" + name + "\n"
	}
	files["Dockerfile"] = dockerfile
	return files
}

// buildTen builds it, and leaves behind what a pipeline that names its things could not have twice.
func buildTen() coordinator.JobSpec {
	return dockerJob("docker:latest", nil,
		"chmod 755 busybox",
		"docker build -t ten . >build.log",
		`echo "taken=$(grep -c 'Using cache' build.log || true)"`,
		`echo "layers=$(docker image inspect ten --format '{{len .RootFS.Layers}}') image=$(docker image inspect ten --format '{{.Id}}')"`,
		`echo "found=$(docker ps -aq | wc -l) $(docker volume ls -q | wc -l) $(docker network ls -q --filter type=custom | wc -l)"`,
		"docker network create backend",
		"docker volume create data",
		"docker run -d --restart always --name web --network backend -v data:/data ten /busybox sleep 1000",
		`docker run --rm -v "$CI_PROJECT_DIR:/w" ten /busybox cat /w/hello.txt`,
	)
}

// TestStorageProject: the second build of an unchanged Dockerfile takes no layer again, but finds nothing else of the first
// job; protected refs and jobs that want none have no part in it; what is broken is dropped and told; what is too large
// is removed.
func TestStorageProject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storageConfig, tenLayers(t))
	build := func(taken, text string) (image string) {
		t.Helper()
		j, log := w.run(buildTen())
		wantSuccess(t, j, log, text, "\nlayers=10 ", "\nhello from the checkout\n", "\nfound=0 0 0\n")
		if got := said(t, log, "taken="); got != taken {
			t.Errorf("%s of ten layers were taken from an earlier job, want %s:\n%s", got, taken, log)
		}
		_, image, _ = strings.Cut(said(t, log, "layers="), "image=")
		return image
	}
	first := build("0", "Service docker:latest starts with nothing; what it holds at the end stays for the next job of this project")
	if second := build("10", "starts with what an earlier job of this project stored"); second != first {
		t.Errorf("the second build made image %s, the first %s", second, first)
	}
	empty := func(spec coordinator.JobSpec, texts ...string) {
		t.Helper()
		j, log := w.run(with(spec, "GIT_STRATEGY=none"))
		wantSuccess(t, j, log, append(texts, "\nimages=0\n")...)
	}
	look := func(variables ...string) coordinator.JobSpec {
		return dockerJob("docker:latest", variables, `echo "images=$(docker images -q | wc -l)"`)
	}
	empty(look("LCED_DIND_STORAGE=ephemeral"))
	empty(patched(look(), func(payload map[string]any) { payload["git_info"].(map[string]any)["protected"] = true }))

	own, protected := w.storeOf("false"), w.storeOf("true")
	if !strings.Contains(protected, "-protected-") || strings.Contains(own, "-protected-") || !strings.HasSuffix(own, "-store-docker-20") {
		t.Errorf("stores %s and %s, want one for each kind of ref, with the engine's major", own, protected)
	}
	w.spoil(own, "echo garbage >/store/network/files/local-kv.db")
	empty(look(), "does start without: that is dropped, and this job starts with nothing")
	if left := w.stores(); len(left) != 1 || left[0] != protected {
		t.Errorf("stores %v are left, want %s: the other is broken", left, protected)
	}

	w.drain()
	w.configure(storageConfig + "    storage_size_cap = \"1k\"\n")
	w.startRunner()
	empty(look(), "starts with nothing; what it holds")
	w.drain()
	if left := w.stores(); len(left) != 0 {
		t.Errorf("stores %v are left, each larger than storage_size_cap", left)
	}
}

// stores are the names of the world's volumes with stored images.
func (w *world) stores(labels ...string) []string {
	w.t.Helper()
	id, _ := config.SystemID(w.dir)
	filters := client.Filters{}.Add("label", "lced.runner="+id).Add("label", "lced.store")
	for _, label := range labels {
		filters = filters.Add("label", label)
	}
	res, err := w.docker.VolumeList(w.t.Context(), client.VolumeListOptions{Filters: filters})
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, v := range res.Items {
		names = append(names, v.Name)
	}
	return names
}

// storeOf is the one store of protected, or other, refs.
func (w *world) storeOf(protected string) string {
	w.t.Helper()
	found := w.stores("com.gitlab.gitlab-runner.protected=" + protected)
	if len(found) != 1 {
		w.t.Fatalf("stores %v, want one", found)
	}
	return found[0]
}

// spoil runs a command in a container that has a volume at /store.
func (w *world) spoil(volume, command string) {
	w.t.Helper()
	ctx := w.t.Context()
	created, err := w.docker.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: "busybox:latest", Cmd: []string{"sh", "-c", command}},
		HostConfig: &container.HostConfig{Binds: []string{volume + ":/store"}, NetworkMode: "none"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer w.docker.ContainerRemove(ctx, created.ID, client.ContainerRemoveOptions{Force: true})
	waiting := w.docker.ContainerWait(ctx, created.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNextExit})
	if _, err := w.docker.ContainerStart(ctx, created.ID, client.ContainerStartOptions{}); err != nil {
		w.t.Fatal(err)
	}
	select {
	case end := <-waiting.Result:
		if end.StatusCode != 0 {
			w.t.Fatalf("%s: exit code %d", command, end.StatusCode)
		}
	case err := <-waiting.Error:
		w.t.Fatal(err)
	}
}
