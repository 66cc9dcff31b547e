# shellcheck shell=bash
# Sourced by inside.sh. Runs `health probe` inside of a container, by HEALTHCHECK and by exec.

# shellcheck disable=SC2154 # inside.sh sets tree, image

# Docker's own defaults are an interval of 30 s and three retries.
readonly soon=(--health-interval=200ms --health-retries=2)

# The check runs in the image of a service, which hangs and then goes on.
tells_docker_when_the_service_hangs() {
  build_checked service
  docker run --detach --name service "${soon[@]}" --env FIX_MODE=register checked /v5.30.0-grpc
  is_called healthy service
  docker kill --signal=STOP service
  is_called unhealthy service
  note "$(said_last service)"
  docker kill --signal=CONT service
  is_called healthy service
}

# The check runs in the sidecar's image, and the service is killed.
tells_docker_when_its_target_is_gone() {
  build_checked "$image"
  service v1.18.0-mucp
  sidecar --network container:service "${soon[@]}" checked --server_name=greeter --server_address=localhost:9091
  is_called healthy sidecar
  docker kill service
  is_called unhealthy sidecar
  note "$(said_last sidecar)"
}

# The check runs by exec, as the kubelet's exec probe and a person run it.
answers_an_exec() {
  local probe=(docker exec sidecar /health probe --server_name=greeter --server_address=localhost:9091)
  service v5.30.0-grpc
  sidecar --network container:service "$image" --server_name=greeter --server_address=localhost:9091
  exits 0 "${probe[@]}"
  docker kill --signal=STOP service
  exits 3 "${probe[@]}"
  exits 1 "${probe[@]}" --exit01
  docker kill service
  exits 2 "${probe[@]}"
}

# Builds the README's lines, word for word, on top of an image.
build_checked() { # IMAGE
  docker tag "$image" health
  { echo "FROM $1"; sed -n '/^```dockerfile$/,/^```$/p' "$tree/README.md" | grep -v '^```'; } |
    DOCKER_BUILDKIT=1 docker build --quiet --tag checked -
}

# Waits until Docker reports this status of a container.
is_called() { # STATUS CONTAINER
  local found="" attempt
  for attempt in {1..100}; do
    found="$(field "$2" .State.Health.Status)"
    if [[ "$found" == "$1" ]]; then return; fi
    sleep 0.1
  done
  echo "Docker called $2 '$found' at the last of $attempt looks, not '$1': $(field "$2" 'json .State.Health.Log')"
  return 1
}

# Prints the exit code and the output of the latest check in a container.
said_last() {
  docker inspect --format '{{range .State.Health.Log}}{{println .ExitCode .Output}}{{end}}' "$1" | grep . | tail -n 1
}

exits() { # CODE COMMAND...
  local code=0
  "${@:2}" || code=$?
  if [[ "$code" != "$1" ]]; then
    echo "exit code $code, not $1: ${*:2}"
    return 1
  fi
}
