# shellcheck shell=bash
# Sourced by inside.sh. Checks host names as --server_address. In the image only musl can resolve
# them.

# shellcheck disable=SC2154 # inside.sh sets image, published, gateway

finds_localhost() {
  service --publish "127.0.0.1:$published:8080" v5.30.0-grpc
  sidecar --network container:service "$image" --server_name=greeter --server_address=localhost:9091
  says 200 OK "http://127.0.0.1:$published/health"
}

# Uses the engine's own name server, which only a user-defined network has.
finds_a_container_by_name() {
  docker network inspect pods >/dev/null || docker network create --subnet=172.31.254.0/24 pods >/dev/null
  service --network pods v5.30.0-grpc
  sidecar --network pods --publish "127.0.0.1:$published:8080" "$image" \
    --server_name=greeter --server_address=service:9091
  says 200 OK "http://127.0.0.1:$published/health"
}

# Uses a resolv.conf like that of a pod, with three search domains and ndots:5.
finds_a_name_in_a_search_domain() {
  local name
  service v5.30.0-grpc
  name_server --host-record="greeter.shop.svc.cluster.local,$(field service .NetworkSettings.IPAddress)"
  for name in greeter.shop greeter.shop.svc greeter.shop.svc.cluster.local; do
    ask_by_name "$name" --dns-search=default.svc.cluster.local --dns-search=svc.cluster.local \
      --dns-search=cluster.local --dns-option=ndots:5
  done
}

# One name has A and AAAA records. The service is at both addresses, or at one of them. At the other
# one a port refuses, or there is no machine at all.
finds_the_living_one_of_two_addresses() {
  local here here_v6
  service v5.30.0-grpc
  here="$(field service .NetworkSettings.IPAddress)"
  here_v6="$(field service .NetworkSettings.GlobalIPv6Address)"
  name_server --host-record="both.test,$here,$here_v6" \
    --host-record="four.test,$here,$gateway_v6" --host-record="six.test,$gateway,$here_v6" \
    --host-record="four-alone.test,$here,fd00:31::dead" --host-record="six-alone.test,172.31.255.222,$here_v6"
  for name in both.test four.test six.test four-alone.test six-alone.test; do ask_by_name "$name"; done
}

ask_by_name() { # NAME [OPTION...]
  echo "$1"
  sidecar --dns "$gateway" "${@:2}" --publish "127.0.0.1:$published:8080" "$image" \
    --server_name=greeter --server_address="$1:9091"
  says 200 OK "http://127.0.0.1:$published/health"
  docker rm --force sidecar
}

# Starts a name server that knows only these names. It ends with the check's shell.
name_server() { # RECORD...
  dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts --no-poll \
    --bind-interfaces --listen-address="$gateway" --except-interface=lo --local=/#/ "$@" &
  # shellcheck disable=SC2064 # the process that was just started
  trap "kill $!" EXIT
}
