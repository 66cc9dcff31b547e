#!/usr/bin/env bash
# Builds the Dockerfile with a real Docker engine and probes its images from outside.
#
# The script starts an engine of its own, in namespaces for network, mounts and processes. This
# engine meets no other engine, does not change the machine's firewall, and ends with the
# namespaces. There is no network in the namespaces, so the script fetches everything before. It
# needs root (or sudo without a password), apt, Rust and Go.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
tree="$(cd "$here/../.." && pwd)"
cache="${MICRO_HEALTH_IMAGE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/micro-health/image}"
readonly here tree cache

# The real services behind the sidecar: one for each wire, the newest and the oldest of their kind.
readonly services=(v5.30.0-grpc v1.18.0-mucp)

as_root=()
if ((EUID != 0)); then
  as_root=(sudo -n)
  if ! sudo -n true; then
    echo "a Docker engine needs root, and sudo asks for a password" >&2
    exit 1
  fi
fi

# Sets rust_image, toolchain, sysroot, rootfs, crates.
# shellcheck source=tests/image/base.sh
source "$here/base.sh"

step() { printf '%5d s  %s\n' "$SECONDS" "$*"; }

# Finds a client that can use BuildKit. Up to version 22 it can by itself, from 23 on it needs its
# plugin.
client() {
  local path
  while read -r path; do
    if [[ "$("$path" --version)" =~ version\ (19|2[0-2])\. ]] || "$path" buildx version >/dev/null 2>&1; then
      printf '%s\n' "$path"
      return
    fi
  done < <(type -ap docker)
  return 1
}

packages() {
  local missing=() entry
  for entry in dockerd:docker.io iptables:iptables debootstrap:debootstrap dnsmasq:dnsmasq-base curl:curl; do
    PATH="$PATH:/usr/sbin:/sbin" command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
  done
  client >/dev/null || missing+=(docker.io)
  if ((${#missing[@]} == 0)); then return; fi
  "${as_root[@]}" apt-get update --quiet
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "${missing[@]}"
}

clean() {
  [[ ! -d "$work" ]] || step "cleaning up"
  # Removes the control groups that a killed engine has left.
  find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec "${as_root[@]}" rmdir {} + 2>/dev/null || true
  "${as_root[@]}" rm -rf "$work"
}

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
work="$cache/work"
cgroup="micro-health-image"
clean
trap clean EXIT
# The trap runs after the command in the foreground has ended, which gets the signal too.
trap 'exit 143' INT TERM
mkdir -p "$work/service"

step "packages"
packages >"$work/packages.log" 2>&1 || { cat "$work/packages.log" >&2; exit 1; }
docker="$(client)" || { echo "no docker client with BuildKit: install docker.io, or docker-buildx beside it" >&2; exit 1; }
step "base image: a Debian"
debian
step "base image: the crates"
crates
step "services"
bin="$("$tree/tests/rig/build.sh" "${services[@]}" 2>"$work/rig.log")" || { cat "$work/rig.log" >&2; exit 1; }
for service in "${services[@]}"; do cp -L "$bin/$service" "$work/service/"; done

step "engine"
"${as_root[@]}" unshare --net --mount --pid --fork --kill-child --mount-proc \
  env -i PATH="${PATH}:/usr/sbin:/sbin" LC_ALL=C \
  tree="$tree" work="$work" rootfs="$rootfs" crates="$crates" cgroup="$cgroup" docker="$docker" \
  rust_image="$rust_image" toolchain="$toolchain" sysroot="$sysroot" rustup="$(command -v rustup)" \
  commit="$(git -C "$tree" rev-parse --short=12 HEAD)" since="$SECONDS" \
  bash "$here/inside.sh" 9>&-
