# Every check of this project; CI calls these and nothing else (.ci/run, which also installs their tools).

# Show the recipes
default:
    @just --list --unsorted

# Download every crate, so that the rest needs no network
fetch:
    cargo fetch --locked

# Formatting as rustfmt has it
fmt:
    cargo fmt --check

# Lints, on everything that compiles; --all-targets leaves out what plain `cargo test` does
clippy:
    cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --test interop --test browser --test registry --test cluster --test hostile -- -D warnings

# The documentation builds, and no link in it is broken
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

# micro-debug compiles with the Rust that it declares (.ci/run installs it), in a folder of its own
msrv:
    CARGO_TARGET_DIR=target/msrv cargo +"$(sed -nE 's/^rust-version = "(.*)"/\1/p' crates/micro-debug/Cargo.toml)" \
      check --locked --package micro-debug

# Licences, sources and duplicates of the crates (needs cargo-deny)
deny:
    cargo deny --locked check bans licenses sources

# Known vulnerabilities: a report and no gate, because a new advisory must not fail an old commit
advisories:
    @cargo deny --locked check advisories || echo "advisories: reported above, or the database could not be fetched; not a gate"

# A greeter, the sidecar beside it, and one probe
demo:
    cargo run --locked --example demo -- --once

# The README's commands for a workstation, word for word, beside a greeter (needs curl, and ports 8080 and 9091)
docs:
    tests/docs.sh

# The crate grpc_health_probe is asked beside ours: its build needs protoc, and MICRO_HEALTH_PEER_PROBE names another
# place. One test at a time: they assert when answers come, which ten thousand probes beside them would delay.
# Real go-micro services of every generation, asked through the sidecar (needs Go)
interop:
    bin="$(tests/rig/build.sh go-micro kubelet)" && MICRO_HEALTH_RIG_BIN="$bin" \
    MICRO_HEALTH_PEER_PROBE="${MICRO_HEALTH_PEER_PROBE:-$(command -v grpc_health_probe)}" \
    cargo test --locked --test interop -- --test-threads=1

# Needs root or user namespaces; the first build takes 10 minutes.
# A real API server, the Go registries of every generation, and every manifest of k8s/ (needs Go)
registry:
    bin="$(tests/rig/build.sh kube kubectl go-registry kuberesolver)" && cargo build --locked --example greeter && \
    MICRO_HEALTH_RIG_BIN="$bin" cargo test --locked --test registry

# Optimised, or the thousand TLS handshakes of this one process would be what is measured.
# What a thousand pods cost the API server (needs what `just registry` does)
crowd:
    bin="$(tests/rig/build.sh kube)" && MICRO_HEALTH_RIG_BIN="$bin" MICRO_HEALTH_CROWD=1000 \
    CARGO_PROFILE_DEV_OPT_LEVEL=2 cargo test --locked --test registry -- crowd

# Needs musl-gcc and Debian's runc, containernetworking-plugins and iproute2; leaves nothing behind
# (tests/cluster/isolated.sh). The rig comes first, because who has no Go should not wait for a release build to hear it.
# A real kubelet and containerd, with go-micro greeters and the shipped file in its pods (needs Go and root)
cluster:
    bin="$(tests/rig/build.sh kube node runtime v1.8.0-grpc v2.9.1-mucp v5.30.0-mucp v4c)" && \
    cargo build --locked --release --package micro-health --bin health --target x86_64-unknown-linux-musl \
      --no-default-features --features kubernetes,latest,tls && \
    MICRO_HEALTH_RIG_BIN="$bin" MICRO_HEALTH_SHIPPED="$PWD/target/x86_64-unknown-linux-musl/release/health" \
    cargo --config "target.'cfg(unix)'.runner='tests/cluster/isolated.sh'" test --locked --test cluster -- --test-threads=16

# `just hostile gRPC` runs the rows whose name contains that. One test at a time: they measure times.
# Every hostile client against the shipped file, and h2spec (needs Go and musl-gcc)
hostile rows="":
    bin="$(tests/rig/build.sh h2spec)" && \
    cargo build --locked --release --package micro-health --bin health --target x86_64-unknown-linux-musl \
      --no-default-features --features kubernetes,latest,tls && \
    MICRO_HEALTH_RIG_BIN="$bin" MICRO_HEALTH_SHIPPED="$PWD/target/x86_64-unknown-linux-musl/release/health" \
    MICRO_HEALTH_ROWS="{{rows}}" cargo test --locked --test hostile -- --test-threads=1

# /statusz in a real Chromium, /metrics read by promtool (needs Debian's chromium and prometheus)
browser:
    cargo test --locked --test browser

# The image, built by a real Docker engine and asked from outside (needs root, apt and Go)
image:
    tests/image/run.sh

# Needs what .ci/run installs, and takes a quarter of an hour.
# dist/: the files for both architectures, their bill of materials, the manifests, checksums
release:
    release/dist.sh

# The same in its bounded form, held to what it promises; the arm64 file runs under qemu
release-ci:
    release/check.sh

# Every figure, beside its budget and the least such a sidecar can cost (needs Go, valgrind, and what `registry` does)
bench: scale
    benches/bench.py table

# What watching a thousand Services costs, and one of 5,000 endpoints
scale:
    cargo bench --locked --bench scale

# The figures that gate, bounded (needs what `bench` does)
budgets:
    benches/bench.py budgets

# What opt-level, allocator and position independence cost: how [profile.release] was chosen (half an hour)
profiles:
    benches/bench.py profiles

# A million probes in ten minutes, half of the time with a service that is killed and comes back (needs Go)
soak:
    benches/bench.py soak 1000000 10m

# The same, bounded
soak-ci:
    benches/bench.py soak 100000 60s

# Every gate, in the order of .ci/run
ci: test fmt clippy doc api slim msrv demo docs deny interop registry browser image release-ci soak-ci budgets hostile cluster
