package plan

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"lced-runner/dind"
	"lced-runner/executor"
	"lced-runner/internal/config"
	"lced-runner/internal/helper"
	"lced-runner/jobapi"
)

// volumes are the job's volumes and the binds of its containers. Build container, helper and services see the same
// /builds and /cache: `docker run -v $CI_PROJECT_DIR:/src` in a sidecar depends on it.
type volumes struct {
	create  []executor.Volume
	build   []string // binds of B
	service []string // of services that are no sidecars
	sidecar []string // of dind services: never the host's docker socket, where dockerd makes its own
	helper  []string // of H: neither docker's socket nor certificates
	open    []string // mount points that H makes writable for every user
}

func makeVolumes(c *compiler, s *sidecars) (*volumes, error) {
	vols := &volumes{}
	seen := map[string]bool{}
	for _, v := range c.Runner.Docker.Volumes {
		dest := destinationOf(c, v)
		if dest == "/" {
			return nil, refuse("volume %q: its destination is / in this job", v.String())
		}
		if slices.Contains(s.setup.DropVolumes, dest) {
			continue
		}
		if seen[dest] {
			return nil, refuse("volume for container path %q is already defined", dest)
		}
		seen[dest] = true
		if v.Source == "" {
			vols.addCache(c, dest, c.Runner.Docker.DisableCache)
			continue
		}
		bind := v
		bind.Destination = dest
		vols.addBind(bind)
	}
	if !seen[c.dirs.builds] {
		// Only fetch leaves something that the next job wants.
		vols.addCache(c, c.dirs.builds, c.strategy != string(helper.StrategyFetch) || c.Runner.Docker.DisableCache)
	}
	if s.setup.Certs != nil {
		if err := vols.addCertificates(c, s.setup.Certs); err != nil {
			return nil, err
		}
	}
	return vols, nil
}

// destinationOf is a volume's path in the containers: expanded, relative to the project's directory.
func destinationOf(c *compiler, v config.Volume) string {
	dest := c.vars.expand(v.Destination)
	if !path.IsAbs(dest) {
		dest = path.Join(c.dirs.project, dest)
	}
	return path.Clean(dest)
}

// addCache adds a volume of ours.
func (vols *volumes) addCache(c *compiler, dest string, temporary bool) {
	d := &c.Runner.Docker
	protected := isProtected(c.Job)
	name := c.names.volume(dest, temporary, protected)
	vols.open = append(vols.open, dest)
	if d.CacheDir != "" && !temporary {
		vols.everywhere(path.Join(d.CacheDir, c.names.directory(dest, protected)) + ":" + dest)
		return
	}
	vols.everywhere(name + ":" + dest)
	vols.create = append(vols.create, executor.Volume{
		Name: name, Target: dest, Temporary: temporary, Driver: d.VolumeDriver, DriverOps: d.VolumeDriverOps,
		Labels: reusableLabels(dest, protected, !temporary),
	})
}

// everywhere gives a bind to every container, the helper too, wherever it is mounted: it makes the directory writable.
func (vols *volumes) everywhere(bind string) {
	vols.build, vols.service = append(vols.build, bind), append(vols.service, bind)
	vols.sidecar, vols.helper = append(vols.sidecar, bind), append(vols.helper, bind)
}

// reusableLabels are gitlab-runner's for volumes.
func reusableLabels(destination string, protected, reusable bool) map[string]string {
	return map[string]string{
		"com.gitlab.gitlab-runner.destination": destination,
		"com.gitlab.gitlab-runner.protected":   strconv.FormatBool(protected),
		"com.gitlab.gitlab-runner.reusable":    strconv.FormatBool(reusable),
	}
}

// addBind gives what the operator binds to the containers that may have it. The helper works on untrusted repositories and
// gets neither an engine's socket nor certificates.
func (vols *volumes) addBind(v config.Volume) {
	bind := v.String()
	vols.build = append(vols.build, bind)
	vols.service = append(vols.service, bind)
	if dind.HoldsSocket(dind.Mount{Source: v.Source, Destination: v.Destination}) {
		return
	}
	vols.sidecar = append(vols.sidecar, bind)
	if !strings.HasSuffix(v.Source, ".sock") && !strings.Contains(v.Destination+"/", "/certs/") {
		vols.helper = append(vols.helper, bind)
	}
}

// addCertificates adds the two volumes of a job with TLS: the server's in the sidecar, the client's in both, read-only in
// the build container. They are made for this job and die with it.
func (vols *volumes) addCertificates(c *compiler, certs *dind.Certs) error {
	server, client, err := c.Certificates(certs.Names)
	if err != nil {
		return err
	}
	add := func(dest, what string, files []dind.File) string {
		v := executor.Volume{Name: c.names.unique + "-certs-" + what, Target: dest, Temporary: true}
		for _, f := range files {
			v.Files = append(v.Files, executor.File{Path: f.Path, Mode: f.Mode, Data: f.Data})
		}
		vols.create = append(vols.create, v)
		return v.Name
	}
	serverName := add(certs.Dir, "server", server)
	clientName := add(certs.ClientDir, "client", client)
	vols.sidecar = append(vols.sidecar, serverName+":"+certs.Dir, clientName+":"+certs.ClientDir)
	vols.build = append(vols.build, clientName+":"+certs.BuildDir+":ro")
	return nil
}

// isProtected reports whether the job's volumes are those of protected refs, which no other job may fill.
func isProtected(job *jobapi.Job) bool {
	for _, ca := range job.Cache {
		if strings.HasSuffix(ca.Key, "-protected") { // the others end in -non_protected
			return true
		}
	}
	if p := job.GitInfo.Protected; p != nil {
		return *p
	}
	// The first one is GitLab's; a user may append another.
	for _, v := range job.Variables {
		if v.Key == "CI_COMMIT_REF_PROTECTED" {
			return v.Value == "true"
		}
	}
	return false
}

// keepsTemp reports whether a later job finds what this one leaves in its temporary directory: file variables, and the variables
// that its scripts hand on. It lies on a volume that outlives the job.
func keepsTemp(c *compiler, create []executor.Volume, binds []string) bool {
	var on, target string // the deepest mount around it
	for _, bind := range binds {
		if t := targetOf(bind); len(t) > len(target) && strings.HasPrefix(c.dirs.temp+"/", t+"/") {
			on, target = bind, t
		}
	}
	return !slices.ContainsFunc(create, func(v executor.Volume) bool { return v.Temporary && mounts([]string{on}, v.Name) })
}

// keepsAnonymous reports whether the volumes that the job's images ask for outlive it, and warns.
func keepsAnonymous(c *compiler) bool {
	if c.Runner.Docker.VolumeKeep {
		c.warn("volume_keep of [runners.docker] is set: the volumes of the images of this job stay on the engine")
	}
	return c.Runner.Docker.VolumeKeep
}
