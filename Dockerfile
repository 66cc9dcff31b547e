# The sidecar as an image: one static file and nothing else.
#
#   docker build --target slim -t health:slim .    the sidecar by itself
#   docker build --target full -t health:full .    with its Kubernetes parts and TLS
#   docker build --platform linux/arm64 ...        for arm64, compiled here and not emulated
#
# Needs BuildKit (the default since Docker 23; DOCKER_BUILDKIT=1 before).

# The compiler of rust-toolchain.toml. A base that has musl-gcc and the target already is not asked to fetch them.
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm

FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS source
ARG TARGETARCH
WORKDIR /src
# One branch per architecture: the target, and with it the compiler for the C parts.
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
# What --version says; without it "unknown", because no .git comes along.
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
# A command that says `health`, without the slash, finds it too.
ENV PATH=/
# A loopback bind, the binary's default, could not be reached from outside the container.
ENV MICRO_HEALTH_ADDRESS=0.0.0.0:8080
EXPOSE 8080
USER 65532:65532
ENTRYPOINT ["/health"]

FROM image AS slim
COPY --from=build-slim /health /health

FROM image AS full
COPY --from=build-full /health /health
