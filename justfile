# Every check of this project is a recipe. CI runs these recipes and nothing else (.ci/run, which
# also installs their tools). `just --list` shows the last line of a comment.

# Show the recipes
default:
    @just --list --unsorted

# Download every crate, so that the rest needs no network
fetch:
    cargo fetch --locked

# Check the formatting with rustfmt
fmt:
    cargo fmt --check

# Lint everything that compiles; the second line has the tests that --all-targets leaves out
clippy:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --test interop --test browser --test registry --test cluster --test hostile -- -D warnings

# Build the documentation; a broken link is an error
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

# The public API is what docs/api.txt lists (needs cargo-public-api)
api:
    tests/api.sh

# Unit and integration tests: no Go, no network
test:
    cargo test

# The build without default features, with its unit tests: the sidecar and `health probe` alone
slim:
    cargo clippy --locked --package micro-health --all-targets --no-default-features -- -D warnings
    cargo test --locked --package micro-health --no-default-features --lib
    cargo build --locked --package micro-health --no-default-features

# Explore the registration's states further than `cargo test` does; by hand
model events="3" depth="10":
    MODEL_EVENTS={{ events }} MODEL_DEPTH={{ depth }} cargo test --locked --package micro-health --profile model \
      --lib state::tests::model -- --nocapture

# Compile micro-debug with the Rust that it declares (.ci/run installs it), in a folder of its own
msrv:
    CARGO_TARGET_DIR=target/msrv cargo +"$(sed -nE 's/^rust-version = "(.*)"/\1/p' crates/micro-debug/Cargo.toml)" \
      check --locked --package micro-debug

# Check the licences, sources and duplicates of the crates (needs cargo-deny)
deny:
    cargo deny --locked check bans licenses sources

# Report known vulnerabilities; not a gate, because a new advisory must not fail an old commit
advisories:
    @cargo deny --locked check advisories || echo "advisories: reported above, or the database could not be fetched; not a gate"

# Run a greeter, the sidecar beside it, and one probe
demo:
    cargo run --locked --example demo -- --once

# Run the README's commands for a workstation beside a greeter (needs curl, and ports 8080 and 9091)
docs:
    tests/docs.sh

# The crate grpc_health_probe is compared with ours. Its build needs protoc, and
# MICRO_HEALTH_PEER_PROBE names another place for it. One test runs at a time, because the tests
# assert when answers come, and ten thousand probes of another test would delay them.
# Check real go-micro services of every generation through the sidecar (needs Go)
interop:
    bin="$(tests/rig/build.sh go-micro kubelet)" && MICRO_HEALTH_RIG_BIN="$bin" \
    MICRO_HEALTH_PEER_PROBE="${MICRO_HEALTH_PEER_PROBE:-$(command -v grpc_health_probe)}" \
    cargo test --locked --test interop -- --test-threads=1

# Needs root or user namespaces. The first build takes 10 minutes.
# Test with a real API server, every generation of Go registries and all of k8s/ (needs Go)
registry:
    bin="$(tests/rig/build.sh kube kubectl go-registry kuberesolver)" && cargo build --locked --example greeter && \
    MICRO_HEALTH_RIG_BIN="$bin" cargo test --locked --test registry

# The build is optimised, because otherwise the test would measure the thousand TLS handshakes of
# this one process.
# Measure what a thousand pods cost the API server (needs the same as `just registry`)
crowd:
    bin="$(tests/rig/build.sh kube)" && MICRO_HEALTH_RIG_BIN="$bin" MICRO_HEALTH_CROWD=1000 \
    CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo test --locked --test registry -- crowd

# Needs musl-gcc and Debian's runc, containernetworking-plugins and iproute2. Leaves nothing behind
# (tests/cluster/isolated.sh). The rig is built first, so that a missing Go fails before the release
# build.
# Test the shipped file with a real kubelet, containerd and go-micro greeters (needs Go and root)
cluster:
    bin="$(tests/rig/build.sh kube node runtime v1.8.0-grpc v2.9.1-mucp v5.30.0-mucp v4c)" && \
    cargo build --locked --release --package micro-health --bin health --target x86_64-unknown-linux-musl \
      --no-default-features --features kubernetes,latest,tls && \
    MICRO_HEALTH_RIG_BIN="$bin" MICRO_HEALTH_SHIPPED="$PWD/target/x86_64-unknown-linux-musl/release/health" \
    cargo --config "target.'cfg(unix)'.runner='tests/cluster/isolated.sh'" test --locked --test cluster -- --test-threads=16

# `just hostile gRPC` runs the rows whose name contains `gRPC`. One test runs at a time, because the
# tests measure times.
# Run every hostile client and h2spec against the shipped file (needs Go and musl-gcc)
hostile rows="":
    bin="$(tests/rig/build.sh h2spec)" && \
    cargo build --locked --release --package micro-health --bin health --target x86_64-unknown-linux-musl \
      --no-default-features --features kubernetes,latest,tls && \
    MICRO_HEALTH_RIG_BIN="$bin" MICRO_HEALTH_SHIPPED="$PWD/target/x86_64-unknown-linux-musl/release/health" \
    MICRO_HEALTH_ROWS="{{rows}}" cargo test --locked --test hostile -- --test-threads=1

# Open /statusz in Chromium, read /metrics with promtool (needs Debian's chromium and prometheus)
browser:
    cargo test --locked --test browser

# Build the image with a real Docker engine and probe it from outside (needs root, apt and Go)
image:
    tests/image/run.sh

# Needs the tools that .ci/run installs, and takes a quarter of an hour.
# Make dist/: the files for both architectures, their bill of materials, the manifests, checksums
release:
    release/dist.sh

# Make a smaller release and check it; the arm64 file runs under qemu
release-ci:
    release/check.sh

# Measure every figure beside its budget and the floor (needs Go, valgrind, tools of `registry`)
bench: scale
    benches/bench.py table

# Measure what watching a thousand Services costs, and one of 5,000 endpoints
scale:
    cargo bench --locked --bench scale

# Measure the figures that gate, in bounded time (needs the same as `bench`)
budgets:
    benches/bench.py budgets

# Measure opt-level, allocator and position independence, to choose [profile.release] (half an hour)
profiles:
    benches/bench.py profiles

# Send a million probes in 10 minutes; in half of the time the service comes and goes (needs Go)
soak:
    benches/bench.py soak 1000000 10m

# Send 100,000 probes in one minute, in the same way
soak-ci:
    benches/bench.py soak 100000 60s

# Every gate, in the order of .ci/run
ci: test fmt clippy doc api slim msrv demo docs deny interop registry browser image release-ci soak-ci budgets hostile cluster
