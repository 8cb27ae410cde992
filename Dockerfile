# syntax=docker/dockerfile:1
# Roomkey's image: one static binary and a list of certificates.
#   docker build -t roomkey .
#   docker buildx build --platform linux/amd64,linux/arm64 -t roomkey .
# Each platform is built natively: on a builder of that architecture, or under emulation (slow: about ten times).
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
ARG TARGETARCH
WORKDIR /src
COPY . .
# The target is named so that the static linking is for the binary alone: proc-macros cannot be static.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=roomkey-target-${TARGETARCH},sharing=locked \
    case "$TARGETARCH" in \
      amd64) target=x86_64-unknown-linux-gnu ;; \
      arm64) target=aarch64-unknown-linux-gnu ;; \
      *) echo "no such platform: '$TARGETARCH' (BuildKit sets it: amd64 or arm64)" >&2; exit 1 ;; \
    esac \
    && RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target "$target" \
    && cp "target/$target/release/roomkey" /roomkey

FROM scratch
LABEL org.opencontainers.image.title="roomkey" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /roomkey /roomkey
USER 65532:65532
EXPOSE 7890
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s CMD ["/roomkey", "healthcheck"]
ENTRYPOINT ["/roomkey"]
CMD ["serve"]
