package dind

// probeScript asks the daemon on its unix socket until it answers. dockerd opens the socket long before it is initialised,
// and lets requests wait until it is: so the script waits for the socket cheaply, and mostly runs docker once.
//
// It ends with the sidecar at the latest, since it runs in the sidecar's process namespace; 3000 rounds of 0.1 s are only a
// bound for a runner that has gone away. A sleep that knows no fractions sleeps a second.
const probeScript = `unset DOCKER_TLS_VERIFY DOCKER_CERT_PATH DOCKER_TLS DOCKER_CONTEXT
command -v docker >/dev/null || { echo 'no docker command in this image' >&2; exit 127; }
case "${DOCKER_HOST:-}" in
unix://*) ;;
*)
	socket=/var/run/docker.sock
	uid=$(id -u)
	[ "$uid" = 0 ] || socket="${XDG_RUNTIME_DIR:-/run/user/$uid}/docker.sock"
	DOCKER_HOST="unix://$socket" ;;
esac
export DOCKER_HOST
rounds=3000
until [ -S "${DOCKER_HOST#unix://}" ] && docker version >/dev/null 2>&1; do
	rounds=$((rounds - 1))
	[ "$rounds" -gt 0 ] || { docker version >&2; exit 1; }
	sleep 0.1 2>/dev/null || sleep 1
done`

// tidyScript removes what earlier jobs left in a storage beside images and build cache: a pipeline that names its
// containers, networks or volumes expects none of that name. Its argument is the data root, where a look costs nothing and
// mostly spares a start of docker. Networks lie in a database, which only docker reads.
const tidyScript = `holds() { [ -n "$(ls -A "$1" 2>/dev/null)" ]; }
{
	if holds "$1/swarm"; then docker swarm leave --force; fi
	if holds "$1/containers"; then docker container rm -f -v $(docker container ls -aq); fi
	for volume in "$1"/volumes/*/; do
		[ ! -d "$volume" ] || docker volume rm -f "$(basename "$volume")"
	done
	networks=$(docker network ls -q --filter type=custom)
	[ -z "$networks" ] || docker network rm $networks
	if holds "$1/plugins/storage" || holds "$1/plugins/tmp"; then docker plugin rm -f $(docker plugin ls -q); fi
} >/dev/null 2>&1
true`

// ReadyProbe is the command to run in a sidecar of this kind: it exits 0 when the daemon's API answers, and, where its data
// root is given since earlier jobs had it, all is removed there but images and build cache. It needs an image for which
// [HasDockerCLI] holds, and exits 127 in others. It is nil for kinds that have no sidecar.
func ReadyProbe(kind, dataRoot string) []string {
	switch kind {
	case KindTLS, KindPlain, KindSharedSocket:
	default:
		return nil
	}
	if dataRoot == "" {
		return []string{"sh", "-c", probeScript}
	}
	return []string{"sh", "-c", probeScript + "\n" + tidyScript, "sh", dataRoot}
}

// ReadyText is part of the lines with which dockerd tells that it answers, for images without a docker command. It writes
// them after its initialisation, in text or JSON and on level info, one for each listener.
const ReadyText = "API listen on "
