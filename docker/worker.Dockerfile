# A worker: computes on a GPU where the container is given one, on the CPU otherwise.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/build.lock requirements/worker.lock requirements/torch-cuda.lock ./requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/build.lock \
 && pip install --no-cache-dir --no-deps --require-hashes --target /packages \
      -r requirements/worker.lock -r requirements/torch-cuda.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY worker worker
COPY models models
RUN pip install --no-cache-dir --no-deps --no-build-isolation --target /packages .

FROM python:3.11-slim-bookworm
COPY --from=build /packages /packages
COPY docker/archives.yml /etc/surety/archives.yml
ENV PYTHONPATH=/packages PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MPLCONFIGDIR=/tmp/matplotlib SURETY_STATE_DIR=/state
# /state holds the signing key: mount a volume there that outlives the container.
RUN python -c "import worker.service.explain" && useradd --system --uid 10001 surety \
 && install -d -m 700 -o surety /state /secret
USER 10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-m", "worker.cli", "worker", "--seen"]
CMD ["python", "-m", "worker.cli", "worker"]
