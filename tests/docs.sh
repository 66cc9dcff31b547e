#!/usr/bin/env bash
# Runs the README's blocks that are marked `run by: docs`, line by line and unchanged, beside a
# greeter.
#
# A line that begins with `health` runs until stopped, so it stays in the background. Any other line must succeed
# within ten seconds, and is tried again until then, as a person would.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

trap 'kill $(jobs -pr) 2>/dev/null || true' EXIT

cargo build --locked --bin health --example greeter
target="$(cargo metadata --locked --no-deps --format-version=1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')"
export PATH="$target/debug:$PATH"

lines() { sed -n '/^<!-- run by: docs -->$/,/^```$/p' README.md | grep -v -e '^<!--' -e '^```'; }

# The lines set their own variables and settings.
unset "${!MICRO_@}"
"$target/debug/examples/greeter" 127.0.0.1:9091 &

run=0
while read -r line; do
  printf '$ %s\n' "$line"
  if [[ "$line" == health\ * ]]; then
    bash -c "exec $line" &
  else
    until answer="$(bash -c "$line" 2>/dev/null)"; do
      if ((SECONDS > 10)); then
        echo "it does not succeed: $line"
        exit 1
      fi
      sleep 0.1
    done
    printf '%s\n' "$answer"
    grep -q '^HTTP/1.1 200 OK' <<<"$answer"
  fi
  ((++run))
  SECONDS=0
done < <(lines)
if ((run < 2)); then
  echo "the README has $run lines marked 'run by: docs'"
  exit 1
fi
echo "$run lines of the README succeeded"
