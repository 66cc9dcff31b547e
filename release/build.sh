#!/usr/bin/env bash
# Builds a file that is shipped: release/build.sh TARGET slim|full OUT
#
# The same sources and the same compiler make the same bytes, wherever they lie: what would name a folder of
# this machine is given another name. What --version says is $MICRO_HEALTH_COMMIT, else what git says.
set -euo pipefail

readonly target="$1" edition="$2" out="$3"
case "$edition" in
  slim) features=() ;;
  full) features=(--features kubernetes,latest,tls) ;;
  *) echo "expected slim or full, not '$edition'" >&2 && exit 1 ;;
esac

sources="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$sources"
folder="${CARGO_TARGET_DIR:-target}"
flags="\"--remap-path-prefix=$sources=/src\", \"--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo\""

# An edition has a folder of its own, so that one build does not undo the other's. The package is named, because the
# features of all selected packages are united.
cargo build --locked --release --package micro-health --bin health --target "$target" \
  --no-default-features "${features[@]}" --target-dir "$folder/shipped-$edition" --config "target.$target.rustflags=[$flags]"
mkdir -p "$(dirname "$out")"
cp "$folder/shipped-$edition/$target/release/health" "$out"
