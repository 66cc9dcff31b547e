#!/usr/bin/env bash
# Holds the public API of micro_health against docs/api.txt, or writes the file: tests/api.sh [--update]
#
# Needs cargo-public-api, which reads the JSON of rustdoc. Stable rustdoc writes that JSON only when it
# is told to be unstable, so cargo runs this script as its rustdoc.
set -euo pipefail

if [[ "${MICRO_HEALTH_RUSTDOC:-}" == yes ]]; then
  RUSTC_BOOTSTRAP=1 exec rustdoc "$@"
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="$(cargo metadata --locked --no-deps --format-version=1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')"
RUSTDOC="$PWD/tests/api.sh" MICRO_HEALTH_RUSTDOC=yes cargo rustdoc --locked --package micro-health --lib \
  --target-dir "$target/api" -- -Z unstable-options --output-format json
found="$(cargo public-api -sss --rustdoc-json "$target/api/doc/micro_health.json")"

if [[ "${1:-}" == --update ]]; then
  printf '%s\n' "$found" >docs/api.txt
elif ! diff --unified=0 docs/api.txt <(printf '%s\n' "$found"); then
  echo "the public API has changed: is each line above meant? Then run tests/api.sh --update"
  exit 1
fi
printf '%s public items\n' "$(wc -l <<<"$found")"
