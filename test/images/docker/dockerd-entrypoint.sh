#!/bin/sh
# Entrypoint of the daemon. Without arguments, or with options only, it makes the
# certificates, adds the listeners and starts dockerd; "dockerd ..." starts it with
# just these arguments; anything else is for the client.
set -eu

# 825 days is the most that some clients accept.
days=825

# names: the subject alternative names of the server certificate.
names() {
	{
		ip -oneline address | awk '{ sub("/.*", "", $4); print "IP:" $4 }'
		for name in "$(cat /etc/hostname)" docker localhost "$(hostname -f)" "$(hostname -s)"; do
			echo "DNS:$name"
		done
		if [ -n "${DOCKER_TLS_SAN:-}" ]; then echo "$DOCKER_TLS_SAN"; fi
	} | sort -u | paste -sd , -
}

# new_key FILE: an existing key is kept.
new_key() {
	mkdir -p "$(dirname "$1")"
	[ -s "$1" ] || openssl genrsa -out "$1" 4096
}

# signed DIR ROLE USAGE [SAN]: a certificate below DIR/ROLE, signed by DIR/ca.
signed() {
	new_key "$1/$2/key.pem"
	openssl req -new -key "$1/$2/key.pem" -out "$1/$2/csr.pem" -subj "/CN=docker:dind $2"
	{
		echo '[ x509_exts ]'
		echo "extendedKeyUsage = $3"
		if [ -n "${4:-}" ]; then echo "subjectAltName = $4"; fi
	} >"$1/$2/openssl.cnf"
	openssl x509 -req -in "$1/$2/csr.pem" -CA "$1/ca/cert.pem" -CAkey "$1/ca/key.pem" -CAcreateserial \
		-out "$1/$2/cert.pem" -days "$days" -extfile "$1/$2/openssl.cnf" -extensions x509_exts
	cp "$1/ca/cert.pem" "$1/$2/ca.pem"
	openssl verify -CAfile "$1/$2/ca.pem" "$1/$2/cert.pem"
}

certificates() {
	# The server's three files without the key of their CA: somebody brought them.
	if [ -s "$1/server/ca.pem" ] && [ -s "$1/server/cert.pem" ] && [ -s "$1/server/key.pem" ] && [ ! -s "$1/ca/key.pem" ]; then
		openssl verify -CAfile "$1/server/ca.pem" "$1/server/cert.pem"
		return 0
	fi
	if [ -s "$1/ca/key.pem" ] || [ ! -s "$1/ca/cert.pem" ]; then
		new_key "$1/ca/key.pem"
		openssl req -new -x509 -key "$1/ca/key.pem" -out "$1/ca/cert.pem" -subj '/CN=docker:dind CA' \
			-days "$days" -addext keyUsage=critical,digitalSignature,keyCertSign
	fi
	if [ -s "$1/ca/key.pem" ]; then
		signed "$1" server serverAuth "$(names)"
		signed "$1" client clientAuth
		# Users of the client are not always root.
		chmod 0644 "$1/client/key.pem"
	fi
}

# iptables_flavour: nft unless the machine has tables of the legacy kind already,
# or only those work.
iptables_flavour() {
	legacy=
	if [ -n "${DOCKER_IPTABLES_LEGACY+set}" ]; then
		legacy=$DOCKER_IPTABLES_LEGACY
		if [ -n "$legacy" ]; then
			modprobe ip_tables 2>/dev/null || :
			modprobe ip6_tables 2>/dev/null || :
		else
			modprobe nf_tables 2>/dev/null || :
		fi
	elif [ -n "$(cat /proc/net/ip_tables_names /proc/net/ip6_tables_names /proc/net/arp_tables_names)" ]; then
		legacy=1
	elif ! iptables -nL >/dev/null 2>&1; then
		modprobe nf_tables 2>/dev/null || :
		if ! iptables -nL >/dev/null 2>&1; then
			modprobe ip_tables 2>/dev/null || :
			modprobe ip6_tables 2>/dev/null || :
			if /usr/local/sbin/.iptables-legacy/iptables -nL >/dev/null 2>&1; then legacy=1; fi
		fi
	fi
	if [ -n "$legacy" ]; then
		export PATH="/usr/local/sbin/.iptables-legacy:$PATH"
	fi
	iptables --version
}

# refused REASON: a daemon without root cannot be.
refused() {
	echo >&2 "error: attempting to run rootless dockerd but $1"
	exit 1
}

# rootless COMMAND...: becomes a daemon in a user namespace of its own, with a network
# of which the ports in DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS can be reached from outside.
rootless() {
	uid=$(id -u)
	export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$uid}"
	command -v rootlesskit >/dev/null || refused "missing 'rootlesskit' (perhaps the 'docker:dind-rootless' image variant is intended?)"
	for file in /etc/subuid /etc/subgid; do
		grep -qE "^($uid|$(id -un)):" $file || refused "missing necessary entries in $file for $uid"
	done
	for dir in "$XDG_RUNTIME_DIR" "$HOME/.local/share/docker"; do
		{ mkdir -p "$dir" && [ -w "$dir" ]; } || refused "need writable HOME ($HOME) and XDG_RUNTIME_DIR ($XDG_RUNTIME_DIR) for user $uid"
	done
	[ "$(cat /proc/sys/kernel/unprivileged_userns_clone 2>/dev/null)" != 0 ] ||
		refused "need 'kernel.unprivileged_userns_clone' (/proc/sys/kernel/unprivileged_userns_clone) set to 1"
	[ "$(cat /proc/sys/user/max_user_namespaces 2>/dev/null)" != 0 ] ||
		refused "need 'user.max_user_namespaces' (/proc/sys/user/max_user_namespaces) set to a sufficiently large value"
	# shellcheck disable=SC2086 # a list of options
	exec rootlesskit \
		--net="${DOCKERD_ROOTLESS_ROOTLESSKIT_NET:-slirp4netns}" \
		--mtu="${DOCKERD_ROOTLESS_ROOTLESSKIT_MTU:-1500}" \
		--disable-host-loopback --port-driver=builtin --copy-up=/etc --copy-up=/run \
		${DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS:-} "$@"
}

if [ "$#" -eq 0 ] || [ "${1#-}" != "$1" ]; then
	socket=unix:///var/run/docker.sock
	if [ "$(id -u)" != 0 ]; then socket=unix://${XDG_RUNTIME_DIR:-/run/user/$(id -u)}/docker.sock; fi
	case ${DOCKER_HOST:-} in
	unix://*) socket=$DOCKER_HOST ;;
	esac
	if [ -n "${DOCKER_TLS_CERTDIR:-}" ]; then
		certificates "$DOCKER_TLS_CERTDIR"
		set -- dockerd \
			--host="$socket" \
			--host=tcp://0.0.0.0:2376 \
			--tlsverify \
			--tlscacert "$DOCKER_TLS_CERTDIR/server/ca.pem" \
			--tlscert "$DOCKER_TLS_CERTDIR/server/cert.pem" \
			--tlskey "$DOCKER_TLS_CERTDIR/server/key.pem" \
			"$@"
		port=2376
	else
		set -- dockerd \
			--host="$socket" \
			--host=tcp://0.0.0.0:2375 \
			"$@"
		port=2375
	fi
	DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS="${DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS:-} -p 0.0.0.0:$port:$port/tcp"
fi

if [ "$1" = dockerd ]; then
	# A restarted container finds the pid files of its last life.
	find /run -iname 'docker*.pid' -delete || :
	iptables_flavour
	if [ "$(id -u)" != 0 ]; then
		rootless docker-init -- "$@"
	fi
	set -- dind docker-init -- "$@"
else
	set -- docker-entrypoint.sh "$@"
fi
exec "$@"
