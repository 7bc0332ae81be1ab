package dind

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// firstDaemonMajor is the first major version whose plain tag (docker:23) holds the daemon. Before it the plain tags, and
// "stable", held the client alone.
const firstDaemonMajor = 23

// IsDind says whether an image starts a docker daemon when it is run without a command: the official docker image under
// any registry, other than its client-only tags, or an image that says "dind" in its name or tag.
func IsDind(image string) bool {
	repository, tag := splitImage(image)
	tagWords := strings.Split(tag, "-")
	if slices.Contains(tagWords, "dind") || slices.Contains(strings.FieldsFunc(repository, isNameSeparator), "dind") {
		return true
	}
	if repository != "docker" || slices.Contains(tagWords, "cli") || slices.Contains(tagWords, "git") || tag == "stable" {
		return false
	}
	major, _, _ := strings.Cut(tagWords[0], ".")
	n, err := strconv.Atoi(major)
	return err != nil || n >= firstDaemonMajor
}

// OnlySaysDind says whether an image is taken for a docker daemon by the word "dind" alone, so that a look at it has to tell:
// see [KeepsContract].
func OnlySaysDind(image string) bool { return IsDind(image) && !HasDockerCLI(image) }

// KeepsContract says whether a container of an image will be the daemon of the official image: it is made from that, which
// its volumes tell whatever its entrypoint does first, or its entrypoint is dockerd's. Other images would not understand
// dockerd's arguments, nor certificates, nor answer on its socket.
func KeepsContract(entrypoint, volumes []string) bool {
	return slices.ContainsFunc(volumes, func(dir string) bool {
		return dir == "/var/lib/docker" || strings.HasSuffix(dir, "/.local/share/docker") // root's, and a rootless daemon's
	}) || slices.ContainsFunc(entrypoint, func(word string) bool {
		return path.Base(word) == "dockerd" || path.Base(word) == "dockerd-entrypoint.sh"
	})
}

// HasDockerCLI says whether an image is known to hold the docker command: the official docker image under any registry
// and with any tag.
func HasDockerCLI(image string) bool {
	repository, _ := splitImage(image)
	return repository == "docker"
}

// splitImage returns the last element of an image's repository and its tag, "latest" where it has none.
func splitImage(image string) (repository, tag string) {
	image, _, _ = strings.Cut(image, "@")
	// Only the last element can have a tag: a colon before it belongs to the registry's port.
	repository = image[strings.LastIndex(image, "/")+1:]
	repository, tag, tagged := strings.Cut(repository, ":")
	if !tagged {
		tag = "latest"
	}
	return repository, tag
}

func isNameSeparator(r rune) bool { return r == '-' || r == '_' || r == '.' }
