# shellcheck shell=bash
# Sourced by run.sh. The parts of the image that replaces the Dockerfile's base image.
#
# It does not come from an image registry. It is this machine's own toolchain over a small Debian.
# The crates are inside, because the build has no network. The files that the Dockerfile would fetch
# are there already: the targets, and a C compiler for each.

# shellcheck disable=SC2034,SC2154 # run.sh uses these, and sets tree, cache, work, as_root

rust_image="$(sed -nE 's/^ARG RUST_IMAGE=//p' "$tree/Dockerfile")"
toolchain="$(sed -nE 's/^channel = "(.*)"/\1/p' "$tree/rust-toolchain.toml")"
sysroot="$(cd "$tree" && readlink -f "$(rustc --print sysroot)")"
suite="${rust_image##*-}"
packages=ca-certificates,gcc,libc6-dev,musl-tools,gcc-aarch64-linux-gnu,libc6-dev-arm64-cross
rootfs="$cache/debian-$suite-$(sha256sum <<<"$packages" | cut -c1-8)"
crates="$cache/crates-$(sha256sum <"$tree/Cargo.lock" | cut -c1-16)"

if [[ "$rust_image" != "rust:$toolchain-slim-$suite" ]]; then
  echo "the Dockerfile builds with $rust_image, and rust-toolchain.toml says $toolchain" >&2
  exit 1
fi

debian() {
  if [[ -d "$rootfs" ]]; then return; fi
  "${as_root[@]}" rm -rf "$cache"/debian-*
  if ! "${as_root[@]}" debootstrap --variant=minbase --include="$packages" \
    "$suite" "$rootfs.partial" >"$work/debootstrap.log" 2>&1; then
    tail -n 20 "$work/debootstrap.log" >&2
    return 1
  fi
  "${as_root[@]}" rm -rf "$rootfs.partial"/{var/cache/apt,var/lib/apt/lists,usr/share/{doc,locale,man}}
  "${as_root[@]}" mv "$rootfs.partial" "$rootfs"
}

# Fetches every crate of Cargo.lock, and writes the configuration with which cargo reads them there.
crates() {
  if [[ -d "$crates" ]]; then return; fi
  rm -rf "$cache"/crates-*
  mkdir "$crates.partial"
  (cd "$tree" && cargo vendor --locked --quiet "$crates.partial/vendor" >/dev/null)
  cat >"$crates.partial/config.toml" <<'END'
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "/usr/local/cargo/vendor"
END
  mv "$crates.partial" "$crates"
}
