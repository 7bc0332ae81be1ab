package e2e

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"lced-runner/internal/ciyaml"
	"lced-runner/internal/coordinator"
)

// pipeline runs a pipeline file in busybox and returns the endings of its jobs by name.
func (w *world) pipeline(text string) map[string]ending {
	w.t.Helper()
	endings := map[string]ending{}
	for _, j := range w.runPipeline("ci.yml", "default: {image: busybox:latest}\n"+text) {
		endings[j.Name] = ending{j, string(w.gitlab.Trace(j.ID))}
	}
	return endings
}

// check applies a check to the ending of a job.
func (w *world) check(endings map[string]ending, name string, check func(*testing.T, ending)) {
	w.t.Helper()
	w.t.Run(name, func(t *testing.T) { check(t, endings[name]) })
}

// uploaded is what a job uploaded as a type, gunzipped if it is gzip.
func (w *world) uploaded(job int64, kind string) []byte {
	w.t.Helper()
	file, err := coordinator.ArtifactsOf(w.gitlab).Open(job, kind)
	if err != nil {
		w.t.Error(err)
		return nil
	}
	content, err := io.ReadAll(file)
	if err != nil {
		w.t.Fatal(err)
	}
	if z, err := gzip.NewReader(bytes.NewReader(content)); err == nil {
		if content, err = io.ReadAll(z); err != nil {
			w.t.Error(err)
		}
	}
	return content
}

// entries are the names in the archive of a job.
func (w *world) entries(job int64) []string {
	w.t.Helper()
	content := w.uploaded(job, "archive")
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		w.t.Error(err)
		return nil
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

func wantEntries(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("the archive holds %q, want %q", got, want)
	}
}

// TestConformance_01_ArtifactsTravel is job-api contract 7.4 and 7.6: what one stage leaves is there in the next, as it was.
func TestConformance_01_ArtifactsTravel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	e := w.pipeline(`
stages: [make, change, use]
make:
  stage: make
  script:
    - mkdir -p out/empty out/tmp "out/ü ñ 日本"
    - echo content >"out/ü ñ 日本/süß.txt"
    - printf 'echo runs\n' >out/run.sh; chmod 750 out/run.sh
    - ln -s run.sh out/link; ln -s /nowhere out/broken
    - touch out/.hidden out/tmp/a.o out/a.o
    - chmod 700 out/empty
  artifacts: {paths: [out], exclude: [out/tmp/**, "**/*.o"], expire_in: 1 day}
change:
  stage: change
  script: [echo changed >out/run.sh, touch out/new]
  artifacts: {paths: [out/run.sh, out/new]}
use:
  stage: use
  variables: {GIT_STRATEGY: none, FF_USE_DIRECT_DOWNLOAD: "false"}
  script:
    - cat out/run.sh "out/ü ñ 日本/süß.txt"
    - stat -c '%A %N' out/run.sh out/link out/broken out/empty
    - ls -A out
blind: {stage: use, dependencies: [], script: ['[ ! -e out ]']}
lone: {stage: use, needs: [change, {job: make, artifacts: false}], script: ['[ -e out/new ]', '[ ! -e out/link ]']}
`)
	w.check(e, "make", succeeds("Uploading artifacts for successful job", ":upload_artifacts_on_success\r", "\x1b[32;1mUploading artifacts...\x1b[0;m\n",
		"out: found 8 matching artifact files and directories\n", "out/tmp/**: excluded 2 files\n", "**/*.o: excluded 1 files\n",
		fmt.Sprintf("Uploading artifacts as \"archive\" to coordinator... 201 Created id=%d responseStatus=201 Created token=", e["make"].ID)))
	wantEntries(t, w.entries(e["make"].ID), "out/", "out/.hidden", "out/broken", "out/empty/", "out/link", "out/run.sh", "out/ü ñ 日本/", "out/ü ñ 日本/süß.txt")
	w.check(e, "change", succeeds(fmt.Sprintf("Downloading artifacts for make (%d)...", e["make"].ID), ":download_artifacts\r"))
	w.check(e, "use", func(t *testing.T, e ending) {
		succeeds("changed\ncontent\n", "-rwxr-x--- out/run.sh\n", "'out/link' -> 'run.sh'", "'out/broken' -> '/nowhere'", "drwx------ out/empty\n", ".hidden\n", "new\n")(t, e)
		lacks(succeeds(), "a.o\n")(t, e)
	})
	w.check(e, "blind", lacks(succeeds(), "Downloading artifacts for"))
	w.check(e, "lone", succeeds())
}

func TestConformance_01_ArtifactsUntracked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, map[string]string{"tracked": "x", ".gitignore": "*.log"})
	e := w.pipeline(`
make:
  script: [touch "new one" a.log, mkdir d, touch d/e, git --version || true, 'printf "[core]\n fsmonitor = touch /builds/pwned\n" >>.git/config']
  after_script: ['[ ! -e /builds/pwned ]']
  artifacts: {untracked: true, exclude: [a.log]}
`)
	w.check(e, "make", succeeds("untracked: found 2 files\n"))
	wantEntries(t, w.entries(e["make"].ID), "d/e", "new one")
}

// TestConformance_01_Reports is job-api contract 7.3.
func TestConformance_01_Reports(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	e := w.pipeline(`
stages: [make, use]
make:
  stage: make
  script: ['echo "<a/>" >a.xml; echo "<b/>" >b.xml; echo "VERSION=1.2 3" >build.env; echo "{}" >scan.json', exit 3]
  allow_failure: true
  artifacts:
    reports: {junit: ["*.xml"], dotenv: build.env, sast: scan.json}
use: {stage: use, script: ['echo "<$VERSION>"']}
many: {stage: use, script: [touch 1.json 2.json], artifacts: {reports: {terraform: "*.json"}}}
`)
	w.check(e, "make", fails("script_failure", 3, "Uploading artifacts for failed job", `as "junit" to coordinator... 201 Created`, `as "dotenv"`, `as "sast"`))
	for kind, want := range map[string]string{"junit": "<a/>\n<b/>\n", "dotenv": "VERSION=1.2 3\n", "sast": "{}\n"} {
		if got := w.uploaded(e["make"].ID, kind); string(got) != want {
			t.Errorf("%s is %q, want %q", kind, got, want)
		}
	}
	w.check(e, "use", succeeds("<1.2 3>\n"))
	w.check(e, "many", fails("script_failure", 1, `artifacts of type "terraform"`, "only one file can be sent as raw"))
}

// TestConformance_01_EveryType uploads one of each that GitLab knows, as it asks for them.
func TestConformance_01_EveryType(t *testing.T) {
	t.Parallel()
	formats := map[string]string{
		"zip":  "archive lsif scip",
		"gzip": "junit dotenv cobertura jacoco metrics cyclonedx annotations repository_xray",
		"raw": `terraform accessibility codequality requirements requirements_v2 performance browser_performance load_performance sast secret_detection
			dependency_scanning container_scanning cluster_image_scanning dast license_scanning coverage_fuzzing api_fuzzing sarif`,
	}
	var wanted []any
	for format, types := range formats {
		for _, kind := range strings.Fields(types) {
			wanted = append(wanted, map[string]any{
				"name": kind, "paths": []any{"report"}, "when": "always", "artifact_type": kind, "artifact_format": format, "expire_in": "1 week",
			})
		}
	}
	w := newWorld(t, plainConfig, nil)
	j, log := w.run(patched(job("echo A=b >report"), func(payload map[string]any) { payload["artifacts"] = wanted }))
	succeeds()(t, ending{j, log})
	list := coordinator.ArtifactsOf(w.gitlab).List(j.ID)
	if len(list) != len(wanted) {
		t.Errorf("%d artifacts of %d were uploaded\n%s", len(list), len(wanted), log)
	}
	for _, kind := range strings.Fields(formats["gzip"] + " " + formats["raw"]) {
		if got := w.uploaded(j.ID, kind); string(got) != "A=b\n" {
			t.Errorf("%s is %q", kind, got)
		}
	}
}

// TestConformance_01_ArtifactsWhen is job-api contract 7.5 and 7.2.
func TestConformance_01_ArtifactsWhen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	e := w.pipeline(`
good: {script: [touch file], artifacts: {paths: [file], when: on_failure}}
bad: {script: [touch file, exit 4], artifacts: {paths: [file]}}
wanted: {script: [touch file, exit 4], artifacts: {paths: [file], when: on_failure}}
always: {script: [touch file, exit 4], artifacts: {paths: [file], when: always}}
told: {script: [touch file], artifacts: {paths: [file]}, variables: {RUNNER_GENERATE_ARTIFACTS_METADATA: "true"}}
nothing: {script: ["true"], artifacts: {paths: [none, /etc/passwd, ../x]}}
named:
  script: ['echo "FLAVOUR=sweet" >>"$GITLAB_ENV"', 'touch "$CI_JOB_NAME.txt"']
  artifacts: {name: "a/$CI_JOB_NAME-$FLAVOUR-${NOBODY}x", paths: ["${CI_JOB_NAME}.t*"]}
`)
	w.check(e, "good", lacks(succeeds(), "Uploading artifacts"))
	w.check(e, "bad", lacks(fails("script_failure", 4), "Uploading artifacts"))
	w.check(e, "wanted", fails("script_failure", 4, "Uploading artifacts for failed job", "201 Created"))
	w.check(e, "always", fails("script_failure", 4, "Uploading artifacts for failed job", "201 Created"))
	w.check(e, "told", succeeds("Generating provenance metadata artifacts-metadata.json..."))
	wantEntries(t, w.entries(e["told"].ID), "artifacts-metadata.json", "file")
	w.check(e, "nothing", lacks(succeeds("WARNING: none: no matching files. Ensure that the artifact path is relative to the working directory",
		"outside build directory", "No files to upload"), "201 Created"))
	w.check(e, "named", succeeds("named.t*: found 1 matching artifact files and directories\n"))
	if list := coordinator.ArtifactsOf(w.gitlab).List(e["named"].ID); len(list) != 1 || list[0].Filename != "named-sweet-x.zip" {
		t.Errorf("artifacts %+v", list)
	}
}

// TestConformance_01_CanceledJobUploads: a job that is canceled gracefully has failed, as far as its artifacts are concerned.
func TestConformance_01_CanceledJobUploads(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	spec := job("touch file", "echo 'now '; echo waiting", "sleep 1000")
	spec.Job.Artifacts = &ciyaml.Artifacts{Paths: []string{"file"}, When: "on_failure"}
	id := w.submit(spec)
	w.awaitLog(id, "\nwaiting\n")
	w.gitlab.Cancel(id)
	j, log := w.await(id)
	if j.State != coordinator.StateCanceled || len(coordinator.ArtifactsOf(w.gitlab).List(id)) != 1 {
		t.Errorf("state %s\n%s", j.State, log)
	}
}

// TestConformance_01_UploadsFail is job-api contract 7.2.
func TestConformance_01_UploadsFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	archiving := func(script ...string) coordinator.JobSpec {
		spec := job(script...)
		spec.Job.Artifacts = &ciyaml.Artifacts{Paths: []string{"file"}}
		return spec
	}
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointUpload, Status: http.StatusRequestEntityTooLarge})
	w.one("too large", archiving("echo x >file"), fails("script_failure", 1, "upload artifacts.zip: gitlab answered 413 Request Entity Too Large", "larger than this GitLab allows"))

	always := archiving("echo x >file", "exit 5")
	always.Job.Artifacts.When = "always"
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointUpload, Status: http.StatusForbidden})
	w.one("the script's failure counts", always, fails("script_failure", 5, "ERROR: ", "the job has ended in GitLab, or its token may not upload"))

	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointUpload, Status: http.StatusServiceUnavailable, Times: 6})
	w.one("overloaded for a while", archiving("echo x >file"), succeeds("WARNING: gitlab answered 503", "Trying again in 1s...", "201 Created"))

	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointUpload, Lose: true})
	w.one("the answer is lost", archiving("echo x >file"), succeeds("Trying again in 1s...", "201 Created"))
}

// TestConformance_01_DownloadsFail is job-api contract 7.6.
func TestConformance_01_DownloadsFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	const text = `
stages: [make, use]
make: {stage: make, script: [echo x >file], artifacts: {paths: [file]}}
use: {stage: use, script: [echo script ran], after_script: [echo after ran]}
`
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointDownload, Status: http.StatusNotFound})
	w.check(w.pipeline(text), "use", lacks(fails("script_failure", 1, "gitlab answered 404", "have expired or were deleted"), "script ran\n"))
	w.gitlab.Inject(coordinator.Fault{Endpoint: coordinator.EndpointDownload, Status: http.StatusBadRequest, Times: 2})
	w.check(w.pipeline(text), "use", succeeds("WARNING: gitlab answered 400", "Trying again in 1s...", "script ran\n"))
}

// TestConformance_01_HostileArchives lets a job download archives that try to get out of the project's directory.
func TestConformance_01_HostileArchives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plainConfig, nil)
	for name, c := range map[string]struct {
		make func(*zip.Writer) error
		want string
	}{
		"dots":     {func(z *zip.Writer) error { return addFile(z, "../escaped", 0o644) }, `its entry "../escaped" leads out`},
		"absolute": {func(z *zip.Writer) error { return addFile(z, "/builds/escaped", 0o644) }, `is an absolute path`},
		"through a link": {func(z *zip.Writer) error {
			return errors.Join(addLink(z, "link", "/builds"), addFile(z, "link/escaped", 0o644))
		}, `leads through a symbolic link`},
	} {
		id := w.submit(job("true"))
		first, _ := w.await(id)
		var archive bytes.Buffer
		z := zip.NewWriter(&archive)
		if err := errors.Join(c.make(z), z.Close()); err != nil {
			t.Fatal(err)
		}
		if err := coordinator.ArtifactsOf(w.gitlab).Put(first.ID, archive.Bytes()); err != nil {
			t.Fatal(err)
		}
		w.one(name, patched(after(job("echo script ran"), `[ ! -e /builds/escaped ] && [ ! -e ../escaped ] && echo "nothing escaped"`), func(payload map[string]any) {
			payload["dependencies"] = []any{map[string]any{
				"id": first.ID, "name": "first", "token": first.Token, "artifacts_file": map[string]any{"filename": "artifacts.zip", "size": archive.Len()},
			}}
		}), lacks(fails("script_failure", 1, "the archive is refused", c.want), "script ran\n"))
		w.one(name+" left nothing", job(`[ ! -e /builds/escaped ]`, `[ ! -e ../escaped ]`), succeeds())
	}
}

func addFile(z *zip.Writer, name string, mode uint32) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.ExternalAttrs = (0o100000 | mode) << 16
	h.CreatorVersion = 3 << 8 // Unix
	f, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, "escaped")
	return err
}

func addLink(z *zip.Writer, name, target string) error {
	h := &zip.FileHeader{Name: name}
	h.ExternalAttrs = 0o120777 << 16
	h.CreatorVersion = 3 << 8
	f, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, target)
	return err
}
