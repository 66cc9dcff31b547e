#!/usr/bin/env bash
# Builds a shipped file: release/build.sh TARGET slim|full OUT
#
# The same sources and the same compiler make the same bytes in every folder, because paths of this
# machine are replaced. --version prints $MICRO_HEALTH_COMMIT, otherwise git's commit.
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

# An edition has a folder of its own, so that one build does not undo the other's. The command names
# the package, because cargo unites the features of all selected packages.
cargo build --locked --release --package micro-health --bin health --target "$target" \
  --no-default-features "${features[@]}" --target-dir "$folder/shipped-$edition" --config "target.$target.rustflags=[$flags]"
mkdir -p "$(dirname "$out")"
cp "$folder/shipped-$edition/$target/release/health" "$out"
