# The HTTP service: no torch, numpy or scipy; the build fails if one of them can be imported.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/build.lock requirements/api.lock ./requirements/
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements/build.lock \
 && pip install --no-cache-dir --no-deps --require-hashes --target /packages -r requirements/api.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY worker worker
COPY models models
# The API reads the catalogue and the job store; the science and the weights stay out of its image.
RUN rm -r worker/core worker/service worker/verify worker/dicom worker/cli models/*/ \
 && pip install --no-cache-dir --no-deps --no-build-isolation --target /packages .

FROM python:3.11-slim-bookworm
COPY --from=build /packages /packages
COPY docker/archives.yml /etc/surety/archives.yml
ENV PYTHONPATH=/packages PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN for name in torch numpy scipy; do if python -c "import $name"; then echo "$name is in the API image"; exit 1; fi; done \
 && python -c "import app.main" \
 && useradd --system --uid 10001 surety
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
# 0.0.0.0 is the container's own; docker-compose.yml publishes it on the host's loopback only.
CMD ["python", "-m", "uvicorn", "--factory", "app.main:create_app", "--host", "0.0.0.0", "--port", "8000", \
     "--no-server-header", "--no-access-log", "--timeout-graceful-shutdown", "3"]
