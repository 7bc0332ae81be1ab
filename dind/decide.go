package dind

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// defaultCertDir is DOCKER_TLS_CERTDIR in the official images.
const defaultCertDir = "/certs"

// wish says why a job gets a sidecar; the reasons differ in what happens when it cannot have one.
type wish int

const (
	wishNone    wish = iota
	wishImage        // its image holds a docker client: without a sidecar it goes on, with a warning
	wishHost         // its DOCKER_HOST names the host docker, which only a sidecar can be
	wishService      // it declares a dind service
	wishAsked        // it says LCED_DIND: "true"
	wishAlways       // the configuration says so
)

// Decide says what to do for a job. An error is a refusal: one sentence for the user that names the key to set.
func Decide(job Job) (Setup, error) {
	setup, err := decide(job)
	if err == nil && job.Mode != ModeOff {
		addBuilders(job, &setup)
	}
	return setup, err
}

func decide(job Job) (Setup, error) {
	asked, refused, warnings := askedFor(job)
	switch job.Mode {
	case ModeOff:
		return Setup{}, nil
	case "", ModeAuto:
		if refused {
			return Setup{Note: `docker-in-docker: off, since the job says LCED_DIND: "false"`}, nil
		}
	case ModeAlways:
	default:
		return Setup{}, fmt.Errorf("mode %q in [runners.dind] is unknown: set it to auto, always or off", job.Mode)
	}

	r := read(job)
	r.setup.Warnings = append(r.setup.Warnings, warnings...)
	want := r.wish(asked)
	if r.otherHost() {
		return r.leaveToOtherHost(want), nil
	}
	if socket, ok := r.hostSocket(asked); ok {
		return r.useSocket(socket, want), nil
	}
	if want == wishNone {
		if asked {
			r.setup.warn("LCED_DIND has no effect: another service of the job is called docker")
		}
		return r.setup, nil
	}
	if why := r.obstacle(); why != "" {
		if want != wishImage {
			return Setup{}, fmt.Errorf("%s cannot be started: %s", r.subject(want), why)
		}
		r.setup.warn("the image %s gets no docker daemon: %s", job.BuildImage, why)
		return r.setup, nil
	}
	w := &wiring{reading: r}
	w.chooseTransport()
	w.chooseCertificates()
	w.addSidecars()
	w.fillBuildEnv()
	w.describe(want)
	return w.setup, nil
}

// askedFor reads LCED_DIND.
func askedFor(job Job) (yes, no bool, warnings []string) {
	value := job.variable("LCED_DIND")
	if value == "" {
		return false, false, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, false, []string{fmt.Sprintf("LCED_DIND is %q: neither true nor false, so it has no effect", value)}
	}
	return on, !on, nil
}

// variable returns one of the job's variables, empty where it is not set.
func (j Job) variable(name string) string {
	if j.Variables == nil {
		return ""
	}
	value, _ := j.Variables(name)
	return value
}

// lookup returns one of the job's variables and whether it is set, perhaps to nothing.
func (j Job) lookup(name string) (string, bool) {
	if j.Variables == nil {
		return "", false
	}
	return j.Variables(name)
}

// wish says why the job gets a sidecar.
func (r *reading) wish(asked bool) wish {
	switch {
	case len(r.sidecars) > 0 && r.sidecars[0].Service >= 0:
		return wishService
	case r.job.Mode == ModeAlways && !r.dockerTaken:
		return wishAlways
	case asked && !r.dockerTaken:
		return wishAsked
	case r.named && !r.dockerTaken:
		return wishHost
	case HasDockerCLI(r.job.BuildImage) && !r.dockerTaken:
		return wishImage
	}
	return wishNone
}

// subject names what was wanted, for a refusal.
func (r *reading) subject(want wish) string {
	switch want {
	case wishService:
		return "the service " + r.sidecars[0].Image
	case wishHost:
		return "the docker daemon that DOCKER_HOST names, " + r.host.text + ","
	case wishAsked:
		return `the docker-in-docker sidecar that LCED_DIND: "true" asks for`
	default:
		return `the docker-in-docker sidecar of mode = "always" in [runners.dind]`
	}
}

// otherHost says whether DOCKER_HOST names a daemon that is neither a sidecar's nor a socket.
func (r *reading) otherHost() bool {
	return r.host.text != "" && r.host.socket == "" && !r.named
}

// leaveToOtherHost is the setup of a job whose DOCKER_HOST names another machine: nothing is started for it.
func (r *reading) leaveToOtherHost(want wish) Setup {
	r.skipDinds()
	if want != wishNone {
		r.setup.Note = fmt.Sprintf("docker-in-docker: none%s, since DOCKER_HOST names another daemon, %s", r.skipped(), r.host.text)
	}
	if want != wishNone && isLoopback(r.host.host) && r.job.NetworkMode != "host" {
		r.setup.warn("DOCKER_HOST names %s, which is the job's own container and has no docker daemon: leave DOCKER_HOST out, or name the host docker", r.host.host)
	}
	return r.setup
}

// hostSocket returns where B finds the host's docker socket, if that is the daemon to use.
func (r *reading) hostSocket(asked bool) (string, bool) {
	if r.host.socket != "" {
		for _, s := range r.sockets {
			if samePath(s, r.host.socket) {
				return s, true
			}
		}
		return "", false
	}
	if len(r.sockets) == 0 || asked || r.named {
		return "", false
	}
	return r.sockets[0], true
}

// useSocket is the setup of a job that has the host's docker socket.
func (r *reading) useSocket(socket string, want wish) Setup {
	r.setup.Kind = KindSocket
	r.skipDinds()
	if want != wishNone {
		r.setup.Note = fmt.Sprintf("docker-in-docker: none%s, docker is the host's engine through its mounted socket %s (mode socket)", r.skipped(), socket)
	}
	r.setup.setBuildEnv(r.job, "DOCKER_HOST", "unix://"+socket)
	r.setup.speakPlainInBuild(r.job)
	return r.setup
}

// skipDinds marks the declared dind services as not to be started.
func (r *reading) skipDinds() {
	for _, s := range r.sidecars {
		if s.Service >= 0 {
			r.setup.SkipServices = append(r.setup.SkipServices, s.Service)
		}
	}
	slices.Sort(r.setup.SkipServices)
}

// skipped names the services that are not started, as a parenthesis for Note.
func (r *reading) skipped() string {
	var names []string
	for _, i := range r.setup.SkipServices {
		names = append(names, r.job.Services[i].Name)
	}
	if names == nil {
		return ""
	}
	return " (service " + strings.Join(names, ", ") + " is not started)"
}

// obstacle says in half a sentence why no sidecar can be started, with the key to set; it is empty if one can.
func (r *reading) obstacle() string {
	job := r.job
	switch {
	case job.NetworkMode == "none" || strings.HasPrefix(job.NetworkMode, "container:"):
		return fmt.Sprintf("with network_mode = %q in [runners.docker] the job could not reach it; remove that key or name a network", job.NetworkMode)
	case !job.Privileged && job.Runtime != unprivilegedRuntime:
		return "a docker daemon in a container has to be privileged; set [runners.dind] privileged = true in config.toml, which leaves the job's own container unprivileged"
	case r.named && !mayListen(r.host.port):
		return fmt.Sprintf("DOCKER_HOST names port %s, on which nothing can listen; name 2376, or leave DOCKER_HOST out", r.host.port)
	case r.host.socket != "" && !r.shared(r.host.socket):
		return fmt.Sprintf("DOCKER_HOST names the socket %s, which lies on no volume that the job and the sidecar share; "+
			"remove DOCKER_HOST, or add its directory to volumes in [runners.docker]", r.host.socket)
	}
	return ""
}

// describe writes the job log's line.
func (w *wiring) describe(want wish) {
	why := map[wish]string{
		wishService: "the job declares the service",
		wishAsked:   `the job says LCED_DIND: "true"`,
		wishAlways:  `[runners.dind] says mode = "always"`,
		wishHost:    "DOCKER_HOST names it",
		wishImage:   "the job's image has a docker client and the job names no daemon",
	}[want]
	var images []string
	for _, s := range w.setup.Sidecars {
		images = append(images, s.Image)
	}
	w.setup.Note = fmt.Sprintf("docker-in-docker: %s at %s (mode %s), since %s",
		strings.Join(images, ", "), w.address(), w.setup.Kind, why)
}
