# shellcheck shell=bash
# Sourced by inside.sh. Runs checks, and has the functions that they use.

# shellcheck disable=SC2154 # inside.sh sets work, image

passed=0 failed=0

# Runs one check in a shell of its own and removes its containers.
check() { # FUNCTION [ARGUMENT...]
  local status words="${*//_/ }"
  set +e
  (
    set -e
    "$@"
  ) >"$work/check.log" 2>&1
  status=$?
  set -e
  if ((status == 0)); then
    passed=$((passed + 1))
    printf '  ok      %s%s\n' "$words" "$(sed -n 's/^note:/:/p' "$work/check.log")"
  else
    failed=$((failed + 1))
    printf '  FAILED  %s\n' "$words"
    sed 's/^/          /' "$work/check.log"
    docker ps --all
    docker logs sidecar 2>&1 | tail -n 10 || true
  fi
  docker ps --all --quiet | xargs -r "$docker" --host "unix://$work/docker.sock" rm --force >/dev/null
}

# Prints the result. The last line is for .ci/run, which adds up the tests of every level.
report() {
  printf '\ntest result: %s. %d passed; %d failed; of the image\n' \
    "$( ((failed)) && echo FAILED || echo ok)" "$passed" "$failed"
  ((failed == 0))
}

# Prints a finding of a check, for its line in the report.
note() { printf 'note: %s\n' "$*"; }

# Waits until a URL has this status and body, with one probe after the other, as the kubelet does.
says() { # STATUS BODY URL
  local answer="" attempt
  for attempt in {1..100}; do
    answer="$(curl --silent --max-time 1 --write-out ' %{http_code}' "$3" || true)"
    if [[ "$answer" == "$2 $1" ]]; then return; fi
    sleep 0.1
  done
  echo "$3 said '$answer' to the last of $attempt probes, not '$2 $1'"
  return 1
}

# Starts the service behind the sidecar.
service() { # [OPTION...] CELL
  local cell="${*: -1}"
  docker run --detach --name service "${@:1:$#-1}" --env FIX_MODE="$(mode "$cell")" service "/$cell" >/dev/null
}

# Prints the mode of a cell. Newer releases of go-micro do not register Debug by themselves.
mode() {
  case "$1" in
    v5.*) echo register ;;
    *) echo stock ;;
  esac
}

sidecar() { # [OPTION...] IMAGE FLAG...
  docker run --detach --name sidecar "$@" >/dev/null
}

# Prints a field of a container, such as .State.Pid.
field() { docker inspect --format "{{$2}}" "$1"; }
