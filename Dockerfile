# Builds the sidecar as an image with one static file and nothing else.
#
#   docker build --target slim -t health:slim .    the sidecar and `health probe`
#   docker build --target full -t health:full .    also the Kubernetes parts and TLS
#   docker build --platform linux/arm64 ...        for arm64, cross-compiled and not emulated
#
# Needs BuildKit, which is the default since Docker 23. Before, set DOCKER_BUILDKIT=1.

# The compiler of rust-toolchain.toml. If the base image has musl-gcc and the target already, the
# build does not fetch them.
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm

FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS source
ARG TARGETARCH
WORKDIR /src
# Each architecture has its target, and a compiler for the C parts.
RUN case "$TARGETARCH" in \
      amd64) echo x86_64-unknown-linux-musl ;; \
      arm64) echo aarch64-unknown-linux-musl ;; \
      *) echo "no build for $TARGETARCH yet" >&2; exit 1 ;; \
    esac > /target-triple
RUN case "$TARGETARCH" in \
      amd64) compiler=musl-gcc packages=musl-tools ;; \
      arm64) compiler=aarch64-linux-gnu-gcc packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
    esac; \
    command -v "$compiler" || { \
      apt-get update && \
      apt-get install --yes --no-install-recommends $packages && \
      rm -rf /var/lib/apt/lists/*; \
    }
RUN rustup target list --installed | grep -qx "$(cat /target-triple)" || rustup target add "$(cat /target-triple)"
COPY . .
# The commit that --version prints. Without it --version prints "unknown", because the context has
# no .git.
ARG MICRO_HEALTH_COMMIT

FROM source AS build-slim
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    release/build.sh "$(cat /target-triple)" slim /health

FROM source AS build-full
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    release/build.sh "$(cat /target-triple)" full /health

FROM scratch AS image
ARG MICRO_HEALTH_COMMIT
LABEL org.opencontainers.image.title="health" \
      org.opencontainers.image.description="Answers Kubernetes probes on behalf of a go-micro service in the same pod" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${MICRO_HEALTH_COMMIT}"
# With this path a command can be `health`, without the slash.
ENV PATH=/
# The default of the binary is a loopback address, which no client outside the container could
# reach.
ENV MICRO_HEALTH_ADDRESS=0.0.0.0:8080
EXPOSE 8080
USER 65532:65532
ENTRYPOINT ["/health"]

FROM image AS slim
COPY --from=build-slim /health /health

FROM image AS full
COPY --from=build-full /health /health
