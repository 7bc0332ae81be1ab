package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// TestLogContract is about what is done to the bytes of a log on their way.
func TestLogContract(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-Value/4711?"
	encoded := job(
		`printf %s "$TOKEN" | base64`, `echo "$TOKEN" | base64`, `printf 'user:%s' "$TOKEN" | base64`,
		`printf 's3cr3t-Value%%2F4711%%3F\n'`, `printf 'bm90IGEgc2VjcmV0\n'`,
	)
	encoded.Variables = []coordinator.Variable{{Key: "TOKEN", Value: secret, Masked: true}}
	learnt := job(`value=$(echo learnt-at-run-time | tr a-z A-Z)`, `echo "::add-mask::$value"`, `echo "it is $value"`, `printf %s "$value" | base64`)
	w := newWorld(t, plainConfig, nil)
	w.play([]scenario{
		{"encodings of a masked value", encoded, lacks(succeeds("bm90IGEgc2VjcmV0\n"),
			secret, base64.StdEncoding.EncodeToString([]byte(secret))[:20], base64.StdEncoding.EncodeToString([]byte("user:" + secret))[8:20], "s3cr3t-Value%2F4711%3F")},
		{"::add-mask::", learnt, lacks(succeeds("\n::add-mask::[MASKED]\n", "\nit is [MASKED]\n"), "LEARNT-AT-RUN-TIME", base64.StdEncoding.EncodeToString([]byte("LEARNT-AT-RUN-TIME")))},
		{"timestamps", with(job("echo on one", "echo on two >&2", `printf 'no newline'`), "FF_TIMESTAMPS=true"), func(t *testing.T, e ending) {
			succeeds("  feature flags: FF_TIMESTAMPS:true\x1b", "Z 01O on one\n", "Z 01E on two\n", "Z 01O no newline\n")(t, e)
			header := regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z 0[01][OE][ +]`)
			for line := range strings.Lines(e.log) {
				if !header.MatchString(line) {
					t.Errorf("a line without a header: %q", line)
				}
			}
		}},
		{"no timestamps unless asked for", job("true"), lacks(succeeds(), "feature flags:", "Z 00O ")},
		{"a flag that is neither true nor false", with(job("echo $FF_TIMESTAMPS"), "FF_TIMESTAMPS=maybe"), succeeds(`FF_TIMESTAMPS is "maybe", which is not true or false: ignored`, "\nfalse\n")},
		{"a line of 3 MB", job(`head -c 3000000 /dev/zero | tr '\0' x; echo; echo "the end"`), succeeds(strings.Repeat("x", 3000000) + "\nthe end\n")},
		{"CI_DEBUG_TRACE", with(job("echo shown"), "CI_DEBUG_TRACE=true"), succeeds("+ echo shown\n", "shown\n")}, // two streams, in whichever order,
	})
}

// committed makes an image from busybox with changes in the words of a Dockerfile, and removes it in the end.
func committed(t *testing.T, docker *client.Client, name string, changes ...string) string {
	t.Helper()
	made, err := docker.ContainerCreate(t.Context(), client.ContainerCreateOptions{Image: "busybox:latest"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = docker.ContainerCommit(t.Context(), made.ID, client.ContainerCommitOptions{Reference: name, Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := docker.ContainerRemove(t.Context(), made.ID, client.ContainerRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(t, docker, name) })
	return name
}

func removeImage(t *testing.T, docker *client.Client, name string) {
	t.Helper()
	if _, err := docker.ImageRemove(cleanupContext(), name, client.ImageRemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
}

// TestServiceContract is about what the log shows of services.
func TestServiceContract(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	run := `CMD ["sh", "-c", "echo out of the service; echo secret-of-the-job; sleep 2; touch /tmp/ready; exec sleep 600"]`
	healthy := committed(t, w.docker, "lced-e2e/healthy:latest", "HEALTHCHECK --interval=1s --retries=30 CMD test -f /tmp/ready", run)
	sick := committed(t, w.docker, "lced-e2e/sick:latest", `HEALTHCHECK --interval=1s --retries=2 CMD echo the disk is full; exit 1`, run, "EXPOSE 6379")
	w.configure(plainConfig)
	w.startRunner()
	service := func(image string) ciyaml.Service {
		return ciyaml.Service{Image: ciyaml.Image{Name: image}, Alias: "db"}
	}
	shown := with(beside(job("until wget -q -O- web:80/; do sleep 0.2; done", "echo 'secret-of-the-job'"), ciyaml.Service{
		Image: ciyaml.Image{Name: "busybox:latest"}, Alias: "web",
		Command: []string{"sh", "-c", `echo out of the service; echo secret-of-the-job; echo to stderr >&2; echo served >/tmp/index.html; exec httpd -f -p 80 -h /tmp`},
	}), "CI_DEBUG_SERVICES=true")
	shown.Variables = []coordinator.Variable{{Key: "TOKEN", Value: "secret-of-the-job", Masked: true}}
	const line = "\x1b[0;37m[service:busybox->web] "
	w.play([]scenario{
		{"CI_DEBUG_SERVICES", shown, lacks(succeeds(line+"out of the service\x1b[0;m\n", line+"[MASKED]\x1b[0;m\n", line+"to stderr\x1b[0;m\n", "\nserved\n"), "secret-of-the-job")},
		{"CI_DEBUG_SERVICES with timestamps", with(shown, "FF_TIMESTAMPS=true"), succeeds("Z 0fO "+line+"out of the service\x1b[0;m\n", "Z 0fE "+line+"to stderr\x1b[0;m\n")},
		{"health check", beside(job("echo the job goes on"), service(healthy)), lacks(succeeds("Waiting for service "+healthy+" to be healthy", "healthy 2.", "the job goes on\n"), "WARNING", "out of the service")},
		{"health check that fails", beside(job("echo the job goes on"), service(sick)),
			succeeds("probably didn't start properly", "the engine says that it is unhealthy", "ended with exit code 1", "the disk is full", "out of the service", "the job goes on\n")},
	})
}

// loaded puts an image for an architecture on the engine whose /bin/sh no machine of the tests can run, and removes it in
// the end.
func loaded(t *testing.T, docker *client.Client, name, architecture string) string {
	t.Helper()
	pack := func(files map[string][]byte) []byte {
		var buf bytes.Buffer
		w := tar.NewWriter(&buf)
		for path, data := range files {
			if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o755, Size: int64(len(data))}); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	elf := make([]byte, 128)
	copy(elf, "\x7fELF\x02\x01\x01")
	elf[16], elf[18], elf[20] = 2, 0xf3, 1 // an executable for RISC-V
	layer := pack(map[string][]byte{"bin/sh": elf})
	config, err := json.Marshal(map[string]any{
		"architecture": architecture, "os": "linux",
		"config": map[string]any{"Cmd": []string{"sh"}, "Env": []string{"PATH=/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digestOf(layer)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest := fmt.Sprintf(`[{"Config":"config.json","RepoTags":[%q],"Layers":["layer.tar"]}]`, name)
	res, err := docker.ImageLoad(t.Context(), bytes.NewReader(pack(map[string][]byte{"config.json": config, "layer.tar": layer, "manifest.json": []byte(manifest)})))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	if _, err := io.Copy(io.Discard, res); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeImage(t, docker, name) })
	return name
}

// TestImageContract is about images for other machines, and images by digest.
func TestImageContract(t *testing.T) {
	t.Parallel()
	w := prepareWorld(t, nil)
	alien := loaded(t, w.docker, "lced-e2e/alien:latest", "riscv64")
	w.configure(plainConfig)
	w.startRunner()
	const warned = "WARNING: image lced-e2e/alien:latest is for linux/riscv64, and this board is linux/"
	const explained = "image lced-e2e/alien:latest is for linux/riscv64 only, and this board is linux/"
	w.play([]scenario{
		{"image for another machine", in(alien, "echo never"), lacks(fails("runner_configuration_error", 0, warned, explained), "\nnever\n")},
		{"service for another machine", beside(job("echo the job goes on"), ciyaml.Service{Image: ciyaml.Image{Name: alien}, Alias: "db"}), succeeds(warned, "the job goes on\n")},
		{"image for this machine", job("true"), lacks(succeeds(), "this board is")},
		{"image by id", in(imageID(t, w.docker, "busybox:latest"), "echo by id"), succeeds("by id\n")},
	})
}

// TestStepContract is about steps, and how their variables and ends reach the user.
func TestStepContract(t *testing.T) {
	t.Parallel()
	release := patched(job("echo built", "export GONE=yes"), func(payload map[string]any) {
		payload["steps"] = append(payload["steps"].([]any), map[string]any{
			"name": "release", "script": []any{`echo "released <$GONE>"`}, "timeout": 3600, "when": "on_success", "allow_failure": false,
		})
	})
	sections := with(job("echo one\necho two"), "FF_SCRIPT_SECTIONS=true")
	late := with(job("echo at last"), "EXECUTOR_JOB_SECTION_ATTEMPTS=2")
	late.Job.Image.Entrypoint = []string{"sh", "-c", `[ -f /tmp/tried ] || { touch /tmp/tried; exit 0; }; exec "$@"`, "sh"}
	once := late
	once.Job.Variables = nil
	many := job(`echo "<$V0> <$V1999>"`, `env | grep -c '^V[0-9]*='`, `echo ${#BIG}`, `sha256sum <"$BIGFILE" | cut -c1-8`)
	for i := range 2000 {
		many = with(many, fmt.Sprintf("V%d=value %d", i, i))
	}
	big := strings.Repeat("0123456789abcdef", 64<<10)
	many = with(many, "BIG="+big)
	many.Variables = []coordinator.Variable{{Key: "BIGFILE", Value: big, File: true}}
	w := newWorld(t, plainConfig+"  [runners.feature_flags]\n    FF_HASH_CACHE_KEYS = false\n", nil)
	w.play([]scenario{
		{"release", release, succeeds("section_start:", ":step_release\r", `Executing "step_release" stage of the job script`, "\nreleased <>\n")},
		{"FF_SCRIPT_SECTIONS", sections, func(t *testing.T, e ending) {
			succeeds("$ echo one\necho two\x1b[0;m\none\ntwo\n")(t, e)
			if !regexp.MustCompile(`section_start:\d{10}:section_script_step_0\[hide_duration=true,collapsed=true\]\r\x1b\[0K`).MatchString(e.log) || !regexp.MustCompile(`\nsection_end:\d{10}:section_script_step_0\r\x1b\[0K`).MatchString(e.log) {
				t.Errorf("no section of the command:\n%q", e.log)
			}
		}},
		{"a step of which nothing ran is tried again", late, succeeds("trying again (2 of 2)", "at last\n")},
		{"unless the job does not say so", once, lacks(fails("runner_system_failure", 0), "at last\n")},
		{"2,000 variables, and one of 1 MB", many, succeeds("<value 0> <value 1999>\n", "\n2000\n", "\n1048576\n", "BIG is longer than 128 KiB")},
	})
}

// TestOutOfMemory names what the kernel did.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig[:strings.Index(string(plainConfig), "  [runners.dind]")]+"    memory = \"32m\"\n    memory_swap = \"32m\"\n", nil)
	w.play([]scenario{
		{"the script", job("tail /dev/zero", "echo never"), lacks(fails("script_failure", 137, "ran out of memory and was killed", "[runners.docker] memory"), "\nnever\n")},
	})
}

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

func imageID(t *testing.T, docker *client.Client, name string) string {
	t.Helper()
	res, err := docker.ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return res.ID
}
