# Debian's Orthanc with DICOMweb: the archive of the profile `archive`, and the one that tests/archive runs against.
FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends curl orthanc orthanc-dicomweb \
 && rm -rf /var/lib/apt/lists/* && useradd --system --uid 10001 surety \
 && install -d -m 700 -o surety /archive /secret
COPY docker/orthanc.sh /usr/local/bin/orthanc.sh
USER 10001
EXPOSE 8042 4242
# 401 is an answer, too: who asks without a password is refused, by an archive that works.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["sh", "-c", "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8042/system | grep -q 401"]
CMD ["sh", "/usr/local/bin/orthanc.sh"]
