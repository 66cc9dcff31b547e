# shellcheck shell=bash
# Sourced by inside.sh. Checks what the image holds, and how it runs.

# shellcheck disable=SC2154 # inside.sh sets tree, work, image, flavour, commit

readonly published=18080

# The budgets of the file, in bytes: 2.5 and 5.2 MiB.
declare -rA budget=([slim]=2621440 [full]=5452595)

holds_one_static_file() {
  local files
  rm -rf "$work/saved" && mkdir "$work/saved"
  docker save "$image" | tar -x -C "$work/saved"
  # One layer, in the old layout of an archive and in the new one.
  files="$(find "$work/saved" -type f -size +100k)"
  [[ "$(wc -l <<<"$files")" == 1 ]]
  [[ "$(tar -t -f "$files")" == health ]]
  tar -x -C "$work/saved" -f "$files" health
  note "$(stat -c %s "$work/saved/health") bytes of ${budget[$flavour]}"
  (($(stat -c %s "$work/saved/health") <= budget[$flavour]))
  # A dynamic file would have an interpreter for a scratch image to miss.
  ! grep -q -a -e '/ld-linux' -e '/ld-musl' "$work/saved/health"
}

is_for() { # ARCHITECTURE; after holds_one_static_file
  [[ "$(docker image inspect --format '{{.Architecture}}' "$image")" == "$1" ]]
  # ELF's e_machine: 183 is AArch64.
  [[ "$(od -A n -t u2 -j 18 -N 2 "$work/saved/health" | tr -d ' ')" == 183 ]]
}

is_configured_as_documented() {
  local found
  found="$(docker image inspect --format '{{.Config.User}} {{.Config.Entrypoint}} {{.Config.ExposedPorts}} {{.Config.Env}}
{{index .Config.Labels "org.opencontainers.image.revision"}}' "$image")"
  echo "$found"
  [[ "$found" == "65532:65532 [/health] map[8080/tcp:{}] [PATH=/ MICRO_HEALTH_ADDRESS=0.0.0.0:8080]
$commit" ]]
}

says_its_version_and_help() {
  local version features=none
  version="$(docker run --rm "$image" --version)"
  note "$version"
  if [[ "$flavour" == full ]]; then features="kubernetes, tls"; fi
  [[ "$version" == *"$(sed -nE '0,/^version/s/^version = "(.*)"/\1/p' "$tree/Cargo.toml")"* ]]
  [[ "$version" == *"$commit"* && "$version" == *"$features"* ]]
  docker run --rm "$image" --help | grep -e --server_name
}

# Runs as the documentation says, with docker run -p. The service is elsewhere, stops, hangs and
# comes back.
answers_on_a_published_port() {
  local url="http://127.0.0.1:$published/health"
  docker network inspect pods >/dev/null || docker network create --subnet=172.31.254.0/24 pods >/dev/null
  service --network pods --ip 172.31.254.9 v5.30.0-grpc
  sidecar --network pods --publish "127.0.0.1:$published:8080" "$image" \
    --server_name=greeter --server_address=172.31.254.9:9091
  says 200 OK "$url"
  docker kill service
  says 500 NOT_HEALTHY "$url"
  docker start service
  says 200 OK "$url"
  docker pause service
  says 500 NOT_HEALTHY "$url"
  docker unpause service
  says 200 OK "$url"
}

# Runs the command of the original's manifest, word for word, in one pod with the service.
runs_the_published_manifest() { # COMMAND
  service --publish "127.0.0.1:$published:8081" --env FIX_ADDR=0.0.0.0:8080 v1.18.0-mucp
  sidecar --network container:service --entrypoint "$1" "$image" \
    --health_address=0.0.0.0:8081 --server_name=greeter --server_address=0.0.0.0:8080
  says 200 OK "http://127.0.0.1:$published/health"
}

needs_no_privilege() {
  local status
  service v5.30.0-grpc
  sidecar --read-only --cap-drop=ALL --security-opt=no-new-privileges --publish "127.0.0.1:$published:8080" \
    "$image" --server_name=greeter --server_address="$(field service .NetworkSettings.IPAddress):9091"
  says 200 OK "http://127.0.0.1:$published/health"
  status="$(cat "/proc/$(field sidecar .State.Pid)/status")"
  grep -E '^(Uid|Gid|Cap.*|NoNewPrivs):' <<<"$status"
  for line in 'Uid: 65532 65532 65532 65532' 'Gid: 65532 65532 65532 65532' 'CapPrm: 0000000000000000' \
    'CapEff: 0000000000000000' 'CapBnd: 0000000000000000' 'NoNewPrivs: 1'; do
    tr -s '\t ' ' ' <<<"$status" | grep -qx "$line"
  done
  note "$(tr -s '\t ' ' ' <<<"$status" | grep -E '^(VmRSS|Threads):' | paste -sd,)"
}

# The sidecar is the first process of its container, so the default action of SIGTERM would not end
# it.
stops_at_sigterm() {
  local started ended
  service v5.30.0-grpc
  sidecar --publish "127.0.0.1:$published:8080" "$image" --server_name=greeter \
    --server_address="$(field service .NetworkSettings.IPAddress):9091"
  says 200 OK "http://127.0.0.1:$published/health"
  started="$(date +%s%3N)"
  docker stop sidecar
  ended="$(date +%s%3N)"
  note "$((ended - started)) ms, exit code $(field sidecar .State.ExitCode)"
  ((ended - started < 1000))
  [[ "$(field sidecar .State.ExitCode)" == 0 ]]
}
