#!/usr/bin/env bash
# Writes the root file system of debian:bookworm-slim to stdout as a tar archive.
# usage: make.sh WORKDIR    (needs root; WORKDIR is emptied)
set -euo pipefail
root=$1/root
rm -rf "$1"
mkdir -p "$1"

# The archive's own address, or the one that this machine's apt uses where the
# machine cannot reach that.
mirror=http://deb.debian.org/debian
security=http://deb.debian.org/debian-security
if ! wget -q -T 10 -t 1 -O /dev/null $mirror/dists/bookworm/Release; then
    # shellcheck disable=SC2016 # names of apt, not variables
    targets=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages')
    mirror=$(awk '$3 == "main" && $2 !~ /-/ {sub("/$", "", $1); print $1; exit}' <<<"$targets")
    security=$(awk '$3 == "main" && $2 ~ /-security$/ {sub("/$", "", $1); print $1; exit}' <<<"$targets")
    if [ -z "$mirror" ]; then
        echo "no Debian mirror: deb.debian.org does not answer, and apt knows no other with bookworm" >&2
        exit 1
    fi
fi
include=()
case $mirror in https:*) include=(--include=ca-certificates) ;; esac

if ! debootstrap --variant=minbase "${include[@]}" bookworm "$root" "$mirror" >"$1/debootstrap.log" 2>&1; then
    tail -n 5 "$1/debootstrap.log" >&2
    exit 1
fi

{
    echo "deb $mirror bookworm main"
    echo "deb $mirror bookworm-updates main"
    if [ -n "$security" ]; then echo "deb $security bookworm-security main"; fi
} >"$root/etc/apt/sources.list"
# Proxies and clock tolerance of this machine hold for its containers too.
apt-config dump | grep -E '^Acquire::(Check-|https?::.*[Pp]roxy|https?::Proxy|Retries)' \
    >"$root/etc/apt/apt.conf.d/80host" || true
cat >"$root/etc/apt/apt.conf.d/80small" <<'CONF'
Acquire::Languages "none";
Acquire::GzipIndexes "true";
APT::Install-Recommends "false";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
CONF
cat >"$root/etc/dpkg/dpkg.cfg.d/80small" <<'CONF'
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-include /usr/share/doc/*/copyright
CONF
# No service starts in an image.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
if [ ${#include[@]} -gt 0 ]; then cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"; fi
rm -f "$root/etc/resolv.conf" "$root/etc/hostname"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/log/* \
    "$root"/usr/share/{man,info,locale}/*
find "$root/usr/share/doc" -type f ! -name copyright -delete

tar -C "$root" --numeric-owner --exclude=./dev/* -c .
rm -rf "$1"
