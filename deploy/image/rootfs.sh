#!/bin/sh
# Makes the root file system of the runner's image below /rootfs, from Debian
# packages of the target architecture. Nothing of them is executed, so no emulation
# is needed to make an arm64 image on amd64.
# usage: rootfs.sh ARCH     a Debian architecture: amd64, arm64, armhf
set -eu
arch=$1
all=/packages
root=/rootfs

say() { echo "rootfs: $*"; }

# apt, as on an empty machine of the target architecture: what it would install is
# all that the programs need.
target_apt() {
	apt-get -o Dir::State::status=/dev/null -o APT::Architecture="$arch" -o APT::Architectures="$arch" \
		-o APT::Install-Recommends=false -o Debug::NoLocking=true -y "$@"
}

# updated gets the lists of packages. A server that is just taking over news has lists that do
# not fit their signature, sometimes for days: then the next of Debian's own is asked.
updated() {
	for server in "" security.debian.org security-cdn.debian.org; do
		if [ -n "$server" ]; then
			say "the lists of packages do not fit their signature: security updates come from $server instead"
			for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
				[ ! -f "$file" ] || sed -i "s|//[^/ ]*/debian-security|//$server/debian-security|" "$file"
			done
		fi
		! apt-get update -q -o Acquire::Retries=3 || return 0
	done
	say "no server has usable lists of packages for $arch"
	return 1
}

unpacked() {
	updated
	apt-get install -qy --no-install-recommends binutils busybox-static
	if [ "$arch" != "$(dpkg --print-architecture)" ]; then
		dpkg --add-architecture "$arch"
		updated
	fi
	target_apt -q --download-only -o Dir::Cache::archives=/debs install \
		bash busybox-static ca-certificates git git-lfs libc6 openssh-client
	# One /usr for all: the links must be there before the first package.
	mkdir -p "$all/usr"
	for dir in bin sbin lib lib32 lib64; do
		mkdir "$all/usr/$dir"
		ln -s "usr/$dir" "$all/$dir"
	done
	for deb in /debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -C "$all" --keep-directory-symlink -x
	done
}

# copied PATH...: files of the packages, wherever their links lead, with those links.
copied() {
	for path; do
		[ -e "$all/$path" ] || [ -L "$all/$path" ] || { say "no $path in the packages"; exit 1; }
		mkdir -p "$root/$(dirname "$path")"
		cp -a "$all/$path" "$root/$path"
	done
}

# libraries: every shared library that a copied program or library names, until
# none is missing. A library is looked up by its name, as the dynamic linker does.
libraries() {
	while :; do
		find "$root" -type f \( -perm /111 -o -name '*.so*' \) -exec readelf -dlW {} + 2>/dev/null |
			sed -n -e 's/.*(NEEDED).*\[\(.*\)\]$/\1/p' -e 's/.*program interpreter: .*\/\(.*\)\]$/\1/p' |
			sort -u >/needed
		more=
		while read -r name; do
			[ -z "$(find "$root" -name "$name")" ] || continue
			file=$(find "$all/usr" -name "$name" | head -n 1)
			[ -n "$file" ] || { say "no package has $name"; exit 1; }
			place=${file#"$all"/}
			mkdir -p "$root/$(dirname "$place")"
			# The content below the name that programs ask for.
			cp -L "$file" "$root/$place"
			more=yes
		done </needed
		[ -n "$more" ] || break
	done
	# The linker's own path is the one thing that programs name in full.
	for linker in lib/ld-linux-aarch64.so.1 lib/ld-linux-armhf.so.3 lib64/ld-linux-x86-64.so.2; do
		file=$(find "$root" -name "${linker##*/}" | head -n 1)
		[ -n "$file" ] || continue
		[ -e "$root/usr/$linker" ] || ln -s "/${file#"$root"/}" "$root/usr/$linker"
	done
}

programs() {
	copied usr/bin/bash usr/bin/busybox usr/bin/git-lfs \
		usr/bin/ssh usr/bin/ssh-add usr/bin/ssh-agent usr/bin/ssh-keygen usr/bin/ssh-keyscan etc/ssh/ssh_config \
		usr/share/git-core/templates
	# git without what needs Perl, a desktop or a mail server.
	mkdir -p "$root/usr/lib"
	cp -a "$all/usr/lib/git-core" "$root/usr/lib/git-core"
	(
		cd "$root/usr/lib/git-core"
		rm -rf mergetools git-mergetool* git-difftool--helper git-add--interactive git-citool git-cvs* git-archimport \
			git-daemon git-gui* git-http-fetch git-http-push git-imap-send git-instaweb git-quiltimport \
			git-request-pull git-send-email git-sh-prompt git-shell git-subtree git-svn git-web--browse git-p4 scalar
	)
	mkdir -p "$root/usr/bin"
	for name in git git-receive-pack git-upload-archive git-upload-pack; do
		ln -s ../lib/git-core/git "$root/usr/bin/$name"
	done
	# Character sets for working-tree-encoding and i18n.commitEncoding, which glibc
	# loads by name: Unicode's and Chinese ones.
	gconv=$(cd "$all" && find usr/lib -type d -name gconv)
	for set in UTF-16 UTF-32 UTF-7 GBK GBGBK GB18030 EUC-CN BIG5 ISO8859-1; do copied "$gconv/$set.so"; done
	copied "$gconv/gconv-modules"
	[ ! -e "$all/$gconv/gconv-modules.d" ] || copied "$gconv/gconv-modules.d"
}

# applets: busybox gives every name that no real program has.
applets() {
	busybox --list | while read -r name; do
		[ -e "$root/usr/bin/$name" ] || ln -s busybox "$root/usr/bin/$name"
	done
}

# record notes the packages of which there is something in the image, where scanners look for them
# in images without dpkg, and keeps their terms.
record() {
	mkdir -p "$root/var/lib/dpkg/status.d"
	for deb in /debs/*.deb; do
		name=$(dpkg-deb -f "$deb" Package)
		# Only a file is from a package: links are the image's own.
		from=$(dpkg-deb --fsys-tarfile "$deb" | tar -t | while read -r file; do
			if [ -f "$root/$file" ] && [ ! -L "$root/$file" ]; then echo "$file"; fi
		done)
		[ -n "$from" ] || [ "$name" = ca-certificates ] || continue
		dpkg-deb -f "$deb" >"$root/var/lib/dpkg/status.d/$name"
		mkdir -p "$root/usr/share/doc/$name"
		cp -L "$all/usr/share/doc/$name/copyright" "$root/usr/share/doc/$name/"
	done
	cp -L /etc/os-release "$root/etc/os-release"
	say "$(find "$root/var/lib/dpkg/status.d" -type f | wc -l) packages"
}

settings() {
	mkdir -p "$root/etc/ssl/certs" "$root/etc/gitlab-runner" "$root/home/gitlab-runner" \
		"$root/usr/local/bin" "$root/run" "$root/proc" "$root/sys" "$root/dev"
	mkdir -m 0700 "$root/root"
	mkdir -m 1777 "$root/tmp" "$root/var/tmp"
	ln -s /run "$root/var/run"
	cat "$all"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
	# Where OpenSSL looks without being told.
	mkdir -p "$root/usr/lib/ssl"
	ln -s /etc/ssl/certs "$root/usr/lib/ssl/certs"
	ln -s /etc/ssl/certs/ca-certificates.crt "$root/usr/lib/ssl/cert.pem"
	# The ids of gitlab-runner's own image, so that files keep their owner.
	cat >"$root/etc/passwd" <<-PASSWD
		root:x:0:0:root:/root:/bin/bash
		gitlab-runner:x:999:999:GitLab Runner:/home/gitlab-runner:/bin/bash
		nobody:x:65534:65534:nobody:/nonexistent:/bin/false
	PASSWD
	cat >"$root/etc/group" <<-GROUP
		root:x:0:
		gitlab-runner:x:999:
		nogroup:x:65534:
	GROUP
	chown 999:999 "$root/home/gitlab-runner"
	printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"
	echo lced-runner >"$root/etc/hostname"
	# The binary comes as the last layer; its names do not change with it.
	ln -s lced-runner "$root/usr/bin/gitlab-runner"
	ln -s lced-runner "$root/usr/bin/gitlab-runner-helper"
}

mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64" /debs/partial
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$root/$dir"; done
unpacked
programs
libraries
applets
record
settings
rm -rf "$all" /debs
du -sh "$root"
