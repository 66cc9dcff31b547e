# shellcheck shell=bash
# Sourced by inside.sh. Starts a Docker engine, and makes the images that it needs.

# shellcheck disable=SC2154 # run.sh passes these variables

# The bridge, on which the name server listens. It does not exist outside of these namespaces.
readonly gateway=172.31.255.1 gateway_v6=fd00:31::1

docker() { command "$docker" --host "unix://$work/docker.sock" "$@"; }

start_engine() {
  ip link set lo up
  # An engine leaves locks and sockets in /run, and a key in /etc/docker. The machine's configuration is not used.
  mount -t tmpfs none /run
  if [[ -d /etc/docker ]]; then mount -t tmpfs none /etc/docker; fi
  # Uses memory if there is enough, so that no file has to be removed afterwards.
  mkdir "$work/data"
  if (($(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) > 8 << 20)); then mount -t tmpfs none "$work/data"; fi
  dockerd --host "unix://$work/docker.sock" --pidfile "$work/docker.pid" \
    --data-root "$work/data" --exec-root "$work/exec" \
    --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$cgroup" \
    --bip "$gateway/24" --ipv6 --fixed-cidr-v6 "$gateway_v6/64" >"$work/docker.log" 2>&1 &
  engine=$!
  until docker version >/dev/null 2>&1; do
    if ! kill -0 "$engine" 2>/dev/null || ((SECONDS - since > 60)); then
      tail -n 20 "$work/docker.log" >&2
      return 1
    fi
    sleep 0.1
  done
}

# Removes containers first, so that no cgroup stays. The rest ends with the namespaces.
stop_engine() {
  docker ps --all --quiet | xargs -r "$docker" --host "unix://$work/docker.sock" rm --force >/dev/null || true
  kill "$engine"
  wait "$engine" || true
}

# Tags this machine's toolchain with the name of the Dockerfile's base image.
import_base() {
  local name="$toolchain-x86_64-unknown-linux-gnu" home="$rootfs/usr/local"
  mkdir -p "$home/rustup/toolchains/$name" "$home/cargo"
  mount --bind "$sysroot" "$home/rustup/toolchains/$name"
  mount -t tmpfs none "$home/cargo"
  mkdir "$home/cargo/bin" "$home/cargo/vendor"
  mount --bind "$crates/vendor" "$home/cargo/vendor"
  cp "$crates/config.toml" "$home/cargo/"
  cp -L "$rustup" "$home/cargo/bin/rustup"
  ln -s rustup "$home/cargo/bin/cargo"
  ln -s rustup "$home/cargo/bin/rustc"
  printf 'version = "12"\ndefault_toolchain = "%s"\n' "$name" >"$home/rustup/settings.toml"
  tar -c -C "$rootfs" --exclude='./usr/local/rustup/toolchains/*/share' . | docker import \
    --change 'ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo' \
    --change 'ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    - "$rust_image" >/dev/null
  umount "$home/cargo/vendor" "$home/cargo" "$home/rustup/toolchains/$name"
}

# Builds the unchanged Dockerfile, with the tree as its context.
build() { # FLAVOUR [ARCHITECTURE]
  local tag="$1${2:+-$2}"
  if ! DOCKER_BUILDKIT=1 docker build --progress=plain ${2:+--platform "linux/$2"} --target "$1" --tag "health:$tag" \
    --build-arg MICRO_HEALTH_COMMIT="$commit" "$tree" >"$work/build-$tag.log" 2>&1; then
    tail -n 60 "$work/build-$tag.log" >&2
    return 1
  fi
}

# Builds the image of the go-micro services, which are static too. They keep files in HOME.
build_service() {
  printf 'FROM scratch\nCOPY v* /\nENV HOME=/ FIX_NAME=greeter FIX_ADDR=0.0.0.0:9091\n' >"$work/service/Dockerfile"
  DOCKER_BUILDKIT=1 docker build --quiet --tag service "$work/service" >/dev/null
}
