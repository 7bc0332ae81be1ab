#!/bin/sh
# Entrypoint of the client: finds the daemon and lets "docker" be left out.
set -eu

certs_complete() {
	[ -n "${DOCKER_TLS_CERTDIR:-}" ] || return 1
	for file in ca cert key; do
		[ -s "$DOCKER_TLS_CERTDIR/client/$file.pem" ] || return 1
	done
}

# A sub-command or an option of docker means docker.
case ${1:-} in
-*) set -- docker "$@" ;;
esac
if [ "$#" -gt 0 ] && docker help "$1" >/dev/null 2>&1; then
	set -- docker "$@"
fi

if [ -z "${DOCKER_HOST:-}" ] && [ ! -S /var/run/docker.sock ]; then
	if certs_complete || [ -n "${DOCKER_TLS_VERIFY:-}" ]; then
		export DOCKER_HOST=tcp://docker:2376
	else
		export DOCKER_HOST=tcp://docker:2375
	fi
fi
case ${DOCKER_HOST:-} in
tcp:*)
	if [ -z "${DOCKER_TLS_VERIFY:-}" ] && [ -z "${DOCKER_CERT_PATH:-}" ] && certs_complete; then
		export DOCKER_TLS_VERIFY=1
		export DOCKER_CERT_PATH="$DOCKER_TLS_CERTDIR/client"
	fi
	;;
esac

if [ "${1:-}" = docker ] && [ "$#" -eq 1 ]; then
	exec docker help
fi
exec "$@"
