# Two targets: `serve` (the default, without torch) and `full` (can train as well).
#   docker build -t litet .
#   docker build -t litet:full --target full .
# For gRPC: --build-arg EXTRAS=[grpc]
# Pin the base by digest where you build: --build-arg PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ARG EXTRAS=
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY contract contract
COPY litet litet
COPY service service
COPY training training
RUN python3 -m venv /opt/litet
RUN /opt/litet/bin/pip install --no-cache-dir -q -c constraints.txt ".${EXTRAS}"

FROM build AS build-serve
RUN /opt/litet/bin/pip uninstall -q -y pip setuptools

# PyPI's own torch for Linux carries CUDA, several GB; pass PyTorch's CPU index as PIP_EXTRA_INDEX_URL to do without.
FROM build AS build-full
ARG PIP_EXTRA_INDEX_URL=
RUN /opt/litet/bin/pip install --no-cache-dir -q -c constraints.txt '.[train]'
RUN /opt/litet/bin/pip uninstall -q -y pip

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/litet/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    LITET_HOST=0.0.0.0 \
    LITET_PORT=8000 \
    LITET_MODELS=/models
# Nothing but /models is ever written, so the root file system can be read-only: docker run --read-only -v …:/models
COPY --chown=10001:10001 models /models
RUN python3 -m pip uninstall -q -y pip setuptools wheel
VOLUME /models
USER 10001:10001
WORKDIR /models
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["litet", "health"]
ENTRYPOINT ["litet"]
CMD ["serve"]

FROM base AS full
COPY --from=build-full /opt/litet /opt/litet

FROM base AS serve
COPY --from=build-serve /opt/litet /opt/litet
