# One image for web, worker, beat and migrate. The first stage installs as a checkout does: exact versions, by hash.
FROM python:3.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
RUN python -m venv /opt/digest
COPY constraints.txt ./
RUN /opt/digest/bin/pip install --no-deps --require-hashes -r constraints.txt
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY templates templates
COPY workers workers
COPY digest digest
RUN /opt/digest/bin/pip install --no-deps --no-build-isolation . && /opt/digest/bin/python -m compileall -q /opt/digest

FROM python:3.13-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/digest --shell /usr/sbin/nologin digest \
    && install -d -o digest -g digest -m 0750 /var/lib/digest
COPY --from=build /opt/digest /opt/digest
ENV PATH=/opt/digest/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DIGEST_DATA_DIR=/var/lib/digest DIGEST_LOG_FORMAT=json
USER digest
WORKDIR /var/lib/digest
EXPOSE 8000
STOPSIGNAL SIGTERM
ENTRYPOINT ["digest"]
CMD ["--help"]
