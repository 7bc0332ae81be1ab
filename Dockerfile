# The runner's image, which is the helper's image too: the runner starts containers
# from it that run git, archives and caches.
#
# The binary is compiled outside (make image), so no compiler image is needed.
# With BuildKit the architectures come by themselves, and an arm64 image can be made
# on amd64 without emulation. The classic builder makes its own architecture, with
#   --build-arg MAKER=linux/amd64 --build-arg TARGETARCH=amd64
ARG BASE=debian:bookworm-slim
ARG MAKER=${BUILDPLATFORM}
FROM --platform=${MAKER} ${BASE} AS files
ARG TARGETARCH
COPY deploy/image/rootfs.sh /rootfs.sh
# Debian calls 32-bit ARM with hardware floating point armhf.
RUN sh /rootfs.sh $(echo "$TARGETARCH" | sed 's/^arm$/armhf/')

FROM scratch
COPY --from=files /rootfs /
ENV PATH=/usr/local/bin:/usr/bin:/usr/sbin
# No VOLUME, unlike gitlab-runner's image: each helper container would leave an
# anonymous volume behind.
# By this the runner knows its own image, from which it makes helpers.
LABEL lced.runner.image=1
STOPSIGNAL SIGTERM
# Asks the running runner; GitLab or the engine away is told but is no failure.
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s CMD ["/usr/bin/lced-runner", "health-check"]
ENTRYPOINT ["/usr/bin/lced-runner"]
CMD ["run", "--user=gitlab-runner", "--working-directory=/home/gitlab-runner"]
ARG TARGETARCH
COPY bin/linux-${TARGETARCH}/lced-runner /usr/bin/lced-runner
