package dind

// An engine that remaps users gives a privileged container the host's users, but leaves the files of its image, and of the
// volumes that it shares with the job, to the users that it has made for containers.

// ownMountScript gives the programs that mount to root: they are setuid in many images, and would run as the user to whom
// they belong, who may not mount. The entrypoint of docker:dind mounts before it starts the daemon.
const ownMountScript = `for name in mount umount; do
	if file=$(command -v "$name") && [ -u "$file" ]; then chown 0:0 "$file"; fi
done
exec "$@"`

// OwnMount wraps a sidecar's entrypoint for an engine that remaps users.
func OwnMount(entrypoint []string) []string {
	return append([]string{"sh", "-c", ownMountScript, "sh"}, entrypoint...)
}

// giveBackScript gives a directory's files to the directory's owner.
const giveBackScript = `owner=$(stat -c %u "$1")
[ "$owner" = 0 ] || find "$1" -xdev ! -user "$owner" -exec chown -h "$owner" {} +`

// GiveBack is the command to run in a sidecar on an engine that remaps users, when the job's scripts are over: what it and its
// containers made in a directory that it shares with the job belongs to users whom the job's own containers do not have, so
// that nobody there could read, or remove, all of it.
func GiveBack(dir string) []string { return []string{"sh", "-c", giveBackScript, "sh", dir} }
