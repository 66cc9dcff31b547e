#!/usr/bin/env bash
# Makes a smaller release and checks it: the same bytes from another folder, a file for arm64 that
# answers probes, a bill of materials, manifests, checksums.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work="$(mktemp -d)"
trap 'kill $(jobs -pr) 2>/dev/null || true; rm -rf "$work"' EXIT
version="$(sed -nE 's/^version = "(.*)"/\1/p' Cargo.toml | head -1)"

passed=0
ok() {
  printf 'ok: %s\n' "$*"
  ((++passed))
}
fail() {
  printf 'failed: %s\n' "$*"
  printf 'test result: FAILED. %d passed; 1 failed;\n' "$passed"
  exit 1
}

release/dist.sh amd64-slim arm64-full
(cd dist && sha256sum --quiet --check SHA256SUMS) || fail "checksums"
ok "checksums of $(wc -l <dist/SHA256SUMS) files"

# A copy of the tracked files in another folder. Cargo's own files also have a folder with another
# name.
git ls-files -z | xargs -0 cp --parents -t "$work"
commit="$(git rev-parse --short=12 HEAD)"
ln -s "${CARGO_HOME:-$HOME/.cargo}" "$work/cargo-home"
MICRO_HEALTH_COMMIT="$commit" CARGO_HOME="$work/cargo-home" CARGO_TARGET_DIR="$work/target" \
  "$work/release/build.sh" x86_64-unknown-linux-musl slim "$work/again"
cmp "$work/again" "dist/health-$version-amd64-slim" || fail "a build elsewhere has other bytes"
ok "another folder, the same bytes: $(sha256sum <"$work/again" | cut -c1-16)"

arm64="dist/health-$version-arm64-full"
file "$arm64" | grep -q 'ARM aarch64.*statically linked' || fail "$(file "$arm64")"
ok "arm64 is static: $(stat -c %s "$arm64") bytes"
qemu-aarch64-static "$arm64" --version | grep -F "$commit" || fail "its --version is not of commit $commit"
ok "arm64 says its version"

cargo build --locked --example greeter
target="$(cargo metadata --locked --no-deps --format-version=1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')"
"$target/debug/examples/greeter" 127.0.0.1:19091 &
qemu-aarch64-static "$arm64" --server_name=greeter --server_address=127.0.0.1:19091 --health_address=127.0.0.1:18080 --check_timeout=5s &
curl --retry 20 --retry-delay 1 --retry-connrefused --silent --fail http://127.0.0.1:18080/health | grep -qx OK ||
  fail "the arm64 file does not answer a probe"
ok "arm64 answers a probe"
qemu-aarch64-static "$arm64" probe --server_name=greeter --server_address=127.0.0.1:19091 --check_timeout=5s ||
  fail "its one check"
ok "arm64 checks once"

bill="dist/health-$version.cdx.json"
for crate in hyper tokio rustls kube; do
  grep -q "pkg:cargo/$crate@" "$bill" || fail "$bill has no $crate"
done
grep -qF "$PWD" "$bill" && fail "$bill names a folder of this machine"
ok "bill of materials: $(grep -c '"purl"' "$bill") packages"

for manifest in dist/manifests/*.yaml; do
  grep -q '^kind: ' "$manifest" || fail "$manifest is empty"
done
ok "$(find dist/manifests -type f | wc -l) manifests"
printf 'test result: ok. %d passed; 0 failed;\n' "$passed"
