#!/usr/bin/env bash
# Makes a release in dist/. For amd64, arm64 and arm (v7):
#   lced-runner-linux-ARCH            a static binary
#   lced-runner-linux-ARCH.cdx.json   what it is made of (SBOM, CycloneDX)
#   lced-runner-image-ARCH.tar.gz     an image for `docker load`
# and for all of them
#   lced-runner-image.oci.tar         one image of all architectures (OCI layout), for a registry:
#                                     skopeo copy --all oci-archive:FILE docker://REGISTRY/NAME:TAG
#   lced-runner.service, compose.yaml
#   sha256sums
# Each binary and each image is started once, where needed by emulation.
# Two runs at one commit give the same binaries.
#
# usage: VERSION=1.2.3 REVISION=abcdef release.sh [--no-images]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/go/bin
export VERSION=${VERSION:?set VERSION, such as 1.2.3} REVISION=${REVISION:-unknown}
dist=$PWD/dist
tools=$PWD/.cache/release
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0
crane=github.com/google/go-containerregistry/cmd/crane@v0.22.1
architectures=(amd64 arm64 arm)
limit=$((30 * 1000 * 1000)) # compressed bytes of an image
say() { printf 'release: %s\n' "$*"; }
fail() {
    printf 'release: %s\n' "$*" >&2
    exit 1
}
size() { stat -c %s "$1"; }

# starts COMMAND...: its version must be this release's.
starts() { "$@" --version | grep -qx "Version: *$VERSION" || fail "$* --version does not say $VERSION"; }

binary() {
    local file=$dist/lced-runner-linux-$1
    deploy/arch.sh binary "$1"
    cp "bin/linux-$1/lced-runner" "$file"
    # From the binary itself: what is linked, not what go.mod mentions.
    "$tools/cyclonedx-gomod" bin -json -licenses -std -noserial -version "v$VERSION" -output "$file.cdx.json" "$file" 2>"$tools/log" ||
        { cat "$tools/log" >&2; fail "the SBOM of $file could not be made"; }
    starts "$file"
    say "${file##*/}: $(size "$file") bytes, $(grep -c '"bom-ref"' "$file.cdx.json") components, starts"
}

image() {
    local name=lced-runner:$VERSION-$1 file=$dist/lced-runner-image-$1.tar.gz
    deploy/arch.sh image "$1" "$name"
    docker save "$name" -o "$tools/$1.tar"
    gzip -9 -n <"$tools/$1.tar" >"$file"
    starts docker run --rm --network none --platform "linux/${1/%arm/arm/v7}" "$name"
    say "${file##*/}: $(size "$file") bytes, starts"
    [ "$(size "$file")" -lt $limit ] || fail "it is larger than $limit bytes"
}

# together: one image of all architectures. Only a registry puts them together, so there is
# one for as long as that takes.
together() {
    local arch port address begin=$SECONDS manifests=()
    rm -rf "$tools/blobs" "$tools/oci"
    mkdir "$tools/blobs"
    "$tools/crane" registry serve --address 127.0.0.1:0 --disk "$tools/blobs" >"$tools/log" 2>&1 &
    registry=$!
    trap 'kill $registry' EXIT
    until port=$(sed -n 's/.*serving on port \([0-9]*\)$/\1/p' "$tools/log") && [ -n "$port" ]; do
        [ $((SECONDS - begin)) -lt 60 ] || { cat "$tools/log" >&2; fail "the registry did not start"; }
        sleep 0.1
    done
    address=127.0.0.1:$port
    for arch in "${architectures[@]}"; do
        "$tools/crane" push "$tools/$arch.tar" "$address/lced-runner:$arch" >/dev/null 2>&1 || fail "the image for $arch could not be taken over"
        manifests+=(-m "$address/lced-runner:$arch")
    done
    "$tools/crane" index append "${manifests[@]}" -t "$address/lced-runner:$VERSION" >/dev/null 2>&1 || fail "the images could not be put together"
    "$tools/crane" pull --format oci --annotate-ref "$address/lced-runner:$VERSION" "$tools/oci" >/dev/null
    sed -i "s|\"$address/lced-runner:|\"lced-runner:|" "$tools/oci/index.json"
    tar -C "$tools/oci" --owner=0 --group=0 --sort=name --mtime=@0 -cf "$dist/lced-runner-image.oci.tar" .
    kill $registry
    trap - EXIT
    say "lced-runner-image.oci.tar: $(size "$dist/lced-runner-image.oci.tar") bytes, ${#architectures[@]} architectures"
}

rm -rf "$dist" "$tools"
mkdir -p "$dist" "$tools"
GOBIN=$tools go install "$sbom"
GOBIN=$tools go install "$crane"
test/engine/emulation.sh arm64 arm
for arch in "${architectures[@]}"; do binary "$arch"; done
if [ "${1:-}" != --no-images ]; then
    for arch in "${architectures[@]}"; do image "$arch"; done
    together
fi
rm -rf "$tools"
cp deploy/lced-runner.service deploy/compose.yaml "$dist/"
(cd "$dist" && sha256sum ./* >sha256sums)
say "all is in dist"
