# pdray with everything in it: the command line, the server, jobs, a Ray node.
#
#   docker build --target cpu  -t pdray:cpu  .
#   docker build --target cuda -t pdray:cuda .      # needs the NVIDIA container toolkit where it runs
#
# tests/cluster/test_image.py carries out these very steps, so write them with absolute paths and without
# what only a container engine has.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS wheel
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE MANIFEST.in ./
COPY building building
COPY pdray pdray
# The page is built into it; Node comes along as a Python package.
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .
RUN python -c "import tomllib; p = tomllib.load(open('/src/pyproject.toml', 'rb'))['project']; print(*p['dependencies'], *p['optional-dependencies']['postgresql'], sep='\n')" > /wheels/requirements.txt \
 && cp /src/constraints.txt /wheels/constraints.txt

# What pdray depends on is a layer of its own, which only a change of versions makes anew. torch comes first
# and as the build for CPUs, a tenth of the other's size.
FROM python:${PYTHON} AS cpu-packages
ARG TORCH=2.13.0+cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m venv /opt/pdray && /opt/pdray/bin/pip install --no-cache-dir "torch==${TORCH}" ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"}
COPY --from=wheel /wheels/requirements.txt /wheels/constraints.txt /wheels/
RUN /opt/pdray/bin/pip install --no-cache-dir -c /wheels/constraints.txt -r /wheels/requirements.txt
COPY --from=wheel /wheels /wheels
RUN /opt/pdray/bin/pip install --no-cache-dir --no-deps /wheels/pdray-*.whl

FROM python:${PYTHON} AS cuda-packages
ARG TORCH=2.13.0
RUN python -m venv /opt/pdray && /opt/pdray/bin/pip install --no-cache-dir "torch==${TORCH}"
COPY --from=wheel /wheels/requirements.txt /wheels/constraints.txt /wheels/
RUN /opt/pdray/bin/pip install --no-cache-dir -c /wheels/constraints.txt -r /wheels/requirements.txt
COPY --from=wheel /wheels /wheels
RUN /opt/pdray/bin/pip install --no-cache-dir --no-deps /wheels/pdray-*.whl

FROM python:${PYTHON} AS base
# KubeRay's probes call wget. The number is what Kubernetes and volumes know the user by.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends wget && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --create-home --home-dir /home/pdray pdray \
 && install -d -o pdray -g pdray /data
WORKDIR /app
COPY jobs jobs
COPY serve_configs serve_configs
ENV PATH=/opt/pdray/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    PDRAY_WORKSPACE=/data/workspace \
    HF_HOME=/data/models
USER 10001
VOLUME /data
EXPOSE 8000
# For the server, which is what the image does by itself; other roles say their own or none.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# At every address of the container, so it demands PDRAY_SERVE_WRITE_KEY (or ..._FILE).
CMD ["pdray", "serve", "--host", "0.0.0.0"]

FROM base AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=cuda-packages /opt/pdray /opt/pdray

FROM base AS cpu
COPY --from=cpu-packages /opt/pdray /opt/pdray
