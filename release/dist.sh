#!/usr/bin/env bash
# Makes dist/: the shipped files, their bill of materials, the manifests, and the checksums of all.
#
#   release/dist.sh                     both architectures, both editions (a quarter of an hour)
#   release/dist.sh amd64-slim ...      only the named ones
#
# Needs the tools that .ci/run installs: both musl targets, musl-gcc, Debian's
# gcc-aarch64-linux-gnu, cargo-cyclonedx, Go.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

declare -rA target=([amd64]=x86_64-unknown-linux-musl [arm64]=aarch64-unknown-linux-musl)
readonly dist="dist"
version="$(sed -nE 's/^version = "(.*)"/\1/p' Cargo.toml | head -1)"

files=("$@")
(($#)) || files=({amd64,arm64}-{slim,full})

rm -rf "$dist"
mkdir -p "$dist/manifests"
for file in "${files[@]}"; do
  architecture="${file%-*}" edition="${file#*-}"
  release/build.sh "${target[$architecture]}" "$edition" "$dist/health-$version-$file"
done

# The bill of materials is that of the full file, which has everything that the slim file has. Its
# time is the commit's, so that it is reproducible too.
SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" cargo cyclonedx --quiet --format json --describe binaries \
  --target "${target[amd64]}" --no-default-features --features kubernetes,latest,tls
# The bill of materials names the folder of the sources, so that is replaced, as in the files
# (build.sh).
sed "s|$PWD|/src|g" health_bin.cdx.json >"$dist/health-$version.cdx.json"
rm health_bin.cdx.json

kubectl="$(tests/rig/build.sh kubectl)/kubectl"
for folder in k8s/base k8s/overlays/*; do
  "$kubectl" kustomize "$folder" >"$dist/manifests/${folder##*/}.yaml"
done

(cd "$dist" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
cat "$dist/SHA256SUMS"
