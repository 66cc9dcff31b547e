#!/usr/bin/env bash
# tests/cluster/isolated.sh PROGRAM ARGUMENT...: runs the program in its own network, mount and PID namespaces.
#
# `just cluster` runs the tests with it. A cluster leaves bridges, mounts, shims and files on a machine. In here
# they end with the namespaces, and the namespaces end with this script, however it ends. No namespace removes
# control groups, so this script removes them before and after.
set -euo pipefail

# Ends with its parent process, which is cargo.
if [[ -z "${ISOLATED:-}" ]]; then ISOLATED=1 exec setpriv --pdeathsig TERM "$0" "$@"; fi

# tests/cluster/rig/node.rs gives the kubelet the same name.
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

# A process that was just killed may keep its group for a moment.
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

# The kubelet expects this group to exist.
plant() {
  local hierarchy
  for hierarchy in /sys/fs/cgroup/*/; do
    # The machine has one hierarchy for everything, or one for each controller.
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

# The first process of the namespaces must reap children, because shims become its children. All files of the
# cluster are in memory, at fixed paths as well as in TMPDIR. The address is the API server's for pods, which is
# the first one of the range for Services, because there is no kube-proxy.
# shellcheck disable=SC2016 # expanded inside
readonly inside='
  set -euo pipefail
  for folder in /run /var/log; do mount -t tmpfs -o mode=755 isolated "$folder"; done
  mkdir /var/log/{cluster,upper,work}
  # Another program may have put files in there that the tests need.
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
# A signal from the keyboard may have reached every process: none in the namespaces outlives this script.
trap '"${as_root[@]}" kill -KILL "$running" 2>/dev/null' INT TERM
ended=0
wait "$running" || ended=$?
wait "$running" 2>/dev/null || true
sweep
exit "$ended"
