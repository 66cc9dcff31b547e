#!/usr/bin/env bash
# Builds the Go programs of the rig: tests/rig/build.sh [PROGRAM or PART...], everything by default.
#
# A program is a folder with a go.mod, and has the folder's name. A part is the folder above several
# programs. Each binary lands outside the tree, keyed by its sources, so that a second run costs
# milliseconds. The only line of stdout is a directory with a link for each program.
set -euo pipefail
shopt -s nullglob

rig="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${MICRO_HEALTH_RIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/micro-health/rig}"

declare -A sources
for module in "$rig"/{*,*/*}/go.mod; do
  folder="$(dirname "$module")"
  sources[$(basename "$folder")]="$folder"
done
mapfile -t known < <(printf '%s\n' "${!sources[@]}" | sort)

say() { printf '%s\n' "$*" >&2; }

# Prints the programs that an argument names.
named() {
  local program
  for program in "${known[@]}"; do
    if [[ "$1" == "$program" || "$rig/$1" == "$(dirname "${sources[$program]}")" ]]; then echo "$program"; fi
  done
}

# Prints the linker's flags. A file `ldflags` beside the sources sets the variables that a release
# build sets.
ldflags() {
  local more="${sources[$1]}/ldflags"
  printf -- '-s -w'
  [[ ! -f "$more" ]] || printf ' %s' "$(<"$more")"
}

# Prints the key of a program. Its binary is rebuilt when one of its files or of its part's stubs
# changes.
key() {
  local from="${sources[$1]}"
  cat "$from"/go.mod "$from"/go.su[m] "$from"/*.go "$from"/ldflag[s] "$from"/../stub/*/* | sha256sum | cut -c1-16
}

binary() { printf '%s/%s-%s/%s' "$cache" "$1" "$(key "$1")" "$1"; }

build() {
  local program="$1" out lock partial started="$SECONDS"
  out="$(binary "$program")"
  mkdir -p "$(dirname "$out")"
  # A second process waits for the first one and does not repeat its work.
  exec {lock}>"$out.lock"
  flock "$lock"
  if [[ -x "$out" ]]; then
    say "$program: already built"
  else
    partial="$(mktemp "$out.XXXXXX")"
    # There is no version control stamp, because Go would run git on the tree of the sources.
    if ! (cd "${sources[$program]}" && CGO_ENABLED=0 GOFLAGS=-mod=readonly \
      go build -trimpath -buildvcs=false -ldflags "$(ldflags "$program")" -o "$partial" . >&2); then
      rm -f "$partial"
      say "$program: did not build"
      exit 1
    fi
    mv "$partial" "$out"
    say "$program: built in $((SECONDS - started)) s"
  fi
  exec {lock}>&-
}

# Links every program whose binary is up to date, and drops the links of those that are not.
link() {
  local program="$1" out
  out="$(binary "$program")"
  if [[ -x "$out" ]]; then
    ln -sfn "$out" "$cache/bin/$program"
  else
    rm -f "$cache/bin/$program"
  fi
}

programs=()
for argument in "$@"; do
  mapfile -t -O "${#programs[@]}" programs < <(named "$argument")
  if [[ -z "$(named "$argument")" ]]; then
    say "nothing called '$argument'; there are: ${known[*]}"
    exit 1
  fi
done
(($#)) || programs=("${known[@]}")

if ! command -v go >/dev/null; then
  say "the rig is made of real Go programs, and 'go' is not on PATH: install Go 1.26 or later"
  exit 1
fi

mkdir -p "$cache/bin"
for program in "${programs[@]}"; do build "$program"; done
for program in "${known[@]}"; do link "$program"; done
printf '%s\n' "$cache/bin"
