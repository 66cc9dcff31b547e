#!/usr/bin/env bash
# Started by run.sh as the first process of its namespaces. Starts an engine, builds two images and
# runs every check on both.
set -euo pipefail

# run.sh sets these variables.
: "${tree:?}" "${work:?}" "${since:?}"
here="$tree/tests/image"
SECONDS="$since"
trap 'exit 143' INT TERM

step() { printf '%5d s  %s\n' "$SECONDS" "$*"; }

# shellcheck source=tests/image/engine.sh
source "$here/engine.sh"
# shellcheck source=tests/image/check.sh
source "$here/check.sh"
# shellcheck source=tests/image/checks.sh
source "$here/checks.sh"
# shellcheck source=tests/image/names.sh
source "$here/names.sh"
# shellcheck source=tests/image/healthcheck.sh
source "$here/healthcheck.sh"

start_engine
trap stop_engine EXIT
step "base image: import"
import_base
build_service
for flavour in slim full; do
  step "build $flavour"
  build "$flavour"
done

step "build slim for arm64"
build slim arm64

printf '\n%-6s %9s bytes\n' image ''
for flavour in slim full; do
  printf '%-6s %9d\n' "$flavour" "$(docker image inspect --format '{{.Size}}' "health:$flavour")"
done

for flavour in slim full; do
  image="health:$flavour"
  printf '\n'
  step "checks of $image"
  check holds_one_static_file
  check is_configured_as_documented
  check says_its_version_and_help
  check answers_on_a_published_port
  check runs_the_published_manifest /health
  check runs_the_published_manifest health
  check needs_no_privilege
  check stops_at_sigterm
  check finds_localhost
  check finds_a_container_by_name
  check finds_a_name_in_a_search_domain
  check finds_the_living_one_of_two_addresses
  check tells_docker_when_the_service_hangs
  check tells_docker_when_its_target_is_gone
  check answers_an_exec
done
printf '\n'
step "checks of health:slim-arm64"
image=health:slim-arm64 flavour=slim
check holds_one_static_file
check is_configured_as_documented
check is_for arm64

printf '\n'
step "done"
report
