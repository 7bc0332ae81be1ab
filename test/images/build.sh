#!/usr/bin/env bash
# Gets the images that the demo and the tests use: by pulling those that a public
# registry has, else from Debian packages by the definitions beside this script.
# What is made here is also pushed to the test engine's mirror, so that a job's
# pull of docker:latest works without any public registry.
#
# An image carries the hash of its definition as a label: one that fits is left
# alone, and so is one without the label, which came from a registry.
#
# usage: build.sh [DIRECTORY...]    only these, whose parents must be there; default: all
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../engine/lib.sh
. "$here/../engine/lib.sh"
say() { printf 'images: %s\n' "$*"; }

only=("$@")
label=lced.test.definition
# The classic builder is in every engine, buildx is not.
export DOCKER_BUILDKIT=0

# directory, its parents' directories (comma), names. The order is that of making.
# Names without a slash exist in the public registry.
images() {
    awk -v only=" ${only[*]} " 'only ~ /^ *$/ || index(only, " " $1 " ")' <<LIST
busybox         -                   busybox:latest
debian          -                   debian:bookworm-slim
docker-io       debian,busybox      lced-test/docker-io:latest
docker          docker-io           docker:latest docker:dind docker:24-dind
docker-rootless docker              docker:dind-rootless
docker-cli      docker-io           docker:cli
docker-client   docker-io           lced-test/docker-client:latest
docker-26       debian,busybox      docker:26-dind
podman          debian              podman/stable:latest
languages       debian              lced-test/languages:latest
nonroot         debian              lced-test/nonroot:latest
entrypoint      busybox             lced-test/entrypoint:latest
noshell         -                   lced-test/noshell:latest
listener        busybox             lced-test/listener:latest
dying           busybox             lced-test/dying:latest
LIST
}

# definition DIR PARENTS: the hash of the files in DIR and of the parents' definitions.
declare -A hash=()
definition() {
    local parent
    {
        sha256sum "$here/$1"/* | awk '{print $1}'
        case $1 in
        docker) sha256sum "$STATE/bin/runc" 2>/dev/null | awk '{print $1}' ;;
        docker-26)
            sha256sum "$STATE/bin/runc" 2>/dev/null | awk '{print $1}'
            sha256sum "$here"/docker/*entrypoint.sh "$here/docker/dind" | awk '{print $1}'
            ;;
        docker-cli) sha256sum <"$here/docker/docker-entrypoint.sh" ;;
        esac
        for parent in ${2//,/ }; do echo "${hash[$parent]:-}"; done
    } | sha256sum | cut -c1-16
}

# public: can the public registry be reached? Asked once, for an image that our own
# mirror never has, and only when something is missing.
public=
public() {
    if [ -z "$public" ]; then
        public=no
        if timeout 15 docker pull -q hello-world:latest >/dev/null 2>&1; then public=yes; fi
        [ $public = yes ] || say "no public registry answers; making the images from Debian packages"
    fi
    [ $public = yes ]
}

# context DIR: the build context as a tar archive.
context() {
    local dir=$work/context
    rm -rf "$dir"
    cp -r "$here/$1" "$dir"
    case $1 in
    busybox | noshell) cp "$(command -v busybox)" "$dir/" ;;
    docker-cli) cp "$here/docker/docker-entrypoint.sh" "$dir/" ;;
    docker | docker-26)
        if [ "$1" != docker ]; then cp "$here"/docker/*entrypoint.sh "$here/docker/dind" "$dir/"; fi
        # The engine inside needs the front that the engine outside needs.
        mkdir "$dir/sbin"
        if [ -x "$STATE/bin/runc" ]; then cp "$STATE/bin/runc" "$dir/sbin/"; fi
        ;;
    esac
    tar -C "$dir" --owner=0 --group=0 -c .
}

# made DIR NAMES...: the image of DIR under all its names.
made() {
    local dir=$1 name
    shift
    packages "${IMAGE_PROGRAMS[@]}"
    if [ "$dir" = debian ]; then
        "$here/debian/make.sh" "$work/debian" |
            docker import -c 'CMD ["bash"]' -c "LABEL $label=${hash[$dir]}" - "$1" >/dev/null
    else
        context "$dir" | docker build -q --force-rm --label "$label=${hash[$dir]}" \
            --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
            -t "$1" - >/dev/null 2>"$work/log" || { cat "$work/log" >&2; fail "docker build of $1 failed"; }
    fi
    for name in "${@:2}"; do docker tag "$1" "$name"; done
}

# repository NAME: the name without tag, as the Docker Hub's protocol has it.
repository() {
    case $1 in
    */*) echo "${1%:*}" ;;
    *) echo "library/${1%:*}" ;;
    esac
}

# stays NAME: an image that no test pulls. To compress and push one of these takes
# longer than to make it.
stays() { [[ $1 == docker:26-* || $1 == *-rootless || $1 == podman/* || $1 == lced-test/languages:* ]]; }

# in_mirror NAME: true as well where there is no mirror to be in.
in_mirror() {
    if stays "$1"; then return; fi
    mirror >/dev/null || return 0
    [ -d "$STATE/registry/docker/registry/v2/repositories/$(repository "$1")/_manifests/tags/${1##*:}" ]
}

# offered NAMES...: pushes to the mirror what was made here. The names that carry
# the mirror's address are removed again.
offered() {
    local name remote address
    address=$(mirror) || return 0
    for name in "$@"; do
        if stays "$name"; then continue; fi
        remote=$address/$(repository "$name"):${name##*:}
        docker tag "$name" "$remote"
        docker push -q "$remote" >/dev/null
        docker rmi "$remote" >/dev/null
    done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# One question for all labels: "name hash" lines of what the engine has.
mapfile -t wanted < <(images | awk '{for (i = 3; i <= NF; i++) print $i}')
declare -A have=()
while read -r name value; do have[$name]=${value:--}; done < <(
    docker image inspect --format "{{\$l := index .Config.Labels \"$label\"}}{{range .RepoTags}}{{.}} {{\$l}}{{\"\n\"}}{{end}}" \
        "${wanted[@]}" 2>/dev/null | grep .
)

while read -r dir parents names; do
    hash[$dir]=$(definition "$dir" "${parents#-}")
    read -ra names <<<"$names"
    missing=()
    unoffered=()
    for name in "${names[@]}"; do
        case ${have[$name]:-} in
        -) ;;
        "${hash[$dir]}") in_mirror "$name" || unoffered+=("$name") ;;
        *) missing+=("$name") ;;
        esac
    done
    begin=$SECONDS
    if [ ${#missing[@]} -eq 0 ]; then
        [ ${#unoffered[@]} -eq 0 ] || offered "${unoffered[@]}"
    elif [[ ${names[0]} != */* ]] && public; then
        for name in "${missing[@]}"; do
            docker pull -q "$name" >/dev/null || fail "docker pull $name failed"
        done
        say "pulled ${missing[*]} in $((SECONDS - begin)) s"
    else
        made "$dir" "${names[@]}"
        offered "${names[@]}"
        say "made ${names[*]} in $((SECONDS - begin)) s"
    fi
done < <(images)
