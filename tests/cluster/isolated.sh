#!/usr/bin/env bash
# Runs a program in namespaces of its own for network, mounts and processes:
# tests/cluster/isolated.sh PROGRAM ARGUMENT...
#
# `just cluster` runs the tests with it. A cluster leaves bridges, mounts, shims and files all over
# a machine. Here they end with the namespaces, and the namespaces end with this script, however it
# ends. No namespace removes control groups, so the script removes them before and after.
set -euo pipefail

# The script ends when the process that started it ends, which is cargo.
if [[ -z "${ISOLATED:-}" ]]; then ISOLATED=1 exec setpriv --pdeathsig TERM "$0" "$@"; fi

# The configuration of the kubelet has the same name (tests/cluster/rig/node.rs).
readonly cgroup=micro-health-cluster
lock="${XDG_CACHE_HOME:-$HOME/.cache}/micro-health/cluster.lock"
export PATH="$PATH:/usr/sbin:/sbin"

as_root=()
if ((EUID != 0)); then
  as_root=(sudo -n)
  if ! sudo -n true; then
    echo "a kubelet needs root, and sudo asks for a password" >&2
    exit 1
  fi
fi
for tool in runc:runc ip:iproute2 /usr/lib/cni/bridge:containernetworking-plugins; do
  if ! command -v "${tool%%:*}" >/dev/null; then
    echo "${tool%%:*} is missing: apt-get install ${tool##*:}" >&2
    exit 1
  fi
done

# Removes the control groups. A process that was just killed may hold its group for a moment.
sweep() {
  local _
  for _ in {1..50}; do
    find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec "${as_root[@]}" rmdir {} + 2>/dev/null || true
    [[ -n "$(find /sys/fs/cgroup -type d -name "$cgroup" 2>/dev/null)" ]] || return 0
    sleep 0.1
  done
  echo "control groups called $cgroup could not be removed: something runs in them" >&2
  return 1
}

# Creates the control group, because the kubelet expects it.
plant() {
  local hierarchy
  for hierarchy in /sys/fs/cgroup/*/; do
    # There is one hierarchy for everything, otherwise one for each controller.
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then hierarchy=/sys/fs/cgroup; fi
    [[ ! -e "$hierarchy/cgroup.procs" ]] || "${as_root[@]}" mkdir -p "$hierarchy/$cgroup"
  done
}

mkdir -p "$(dirname "$lock")"
exec 9>"$lock"
if ! flock --nonblock 9; then
  echo "another cluster runs on this machine: waiting for its end" >&2
  flock --timeout 900 9 || { echo "it did not end within 15 minutes" >&2; exit 1; }
fi
sweep
plant

# The first process of the namespaces has to reap its children, because shims become its children.
# The parts of a cluster write into memory, at fixed places and in TMPDIR. The address is the first
# one of the range for Services, where pods look for the API server, because there is no kube-proxy.
# shellcheck disable=SC2016 # expanded inside
readonly inside='
  set -euo pipefail
  for folder in /run /var/log; do mount -t tmpfs -o mode=755 isolated "$folder"; done
  mkdir /var/log/{cluster,upper,work}
  # Other programs may have files in /var/lib that the tests need.
  mount -t overlay -o lowerdir=/var/lib,upperdir=/var/log/upper,workdir=/var/log/work isolated /var/lib
  ip link set lo up
  ip address add 10.96.0.1/32 dev lo
  "$@" </dev/null
'
"${as_root[@]}" setpriv --pdeathsig KILL \
  unshare --net --mount --pid --fork --kill-child --mount-proc \
  env TMPDIR=/var/log/cluster PATH="$PATH" MICRO_HEALTH_RIG_BIN="${MICRO_HEALTH_RIG_BIN:?}" \
  MICRO_HEALTH_SHIPPED="${MICRO_HEALTH_SHIPPED:?}" RUST_BACKTRACE="${RUST_BACKTRACE:-0}" \
  bash -c "$inside" isolated "$@" 9>&- &
running=$!
# A signal from the keyboard reaches every process. The kill ensures that no process of the
# namespaces outlives this script.
trap '"${as_root[@]}" kill -KILL "$running" 2>/dev/null' INT TERM
ended=0
wait "$running" || ended=$?
wait "$running" 2>/dev/null || true
sweep
exit "$ended"
