# penstock in a container: dependencies by hash, no compiler and no root in what runs, which writes nowhere but in
# /var/lib/penstock and /tmp.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/penstock
COPY requirements requirements
RUN /opt/penstock/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
    -r requirements/runtime.txt -r requirements/build.txt
COPY pyproject.toml README.md ./
COPY schemas schemas
COPY runtime runtime
COPY registry registry
COPY producers producers
COPY streams streams
COPY consumers consumers
COPY penstock penstock
RUN /opt/penstock/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /tmp penstock \
    && install --directory --owner penstock --group penstock /var/lib/penstock
COPY --from=build /opt/penstock /opt/penstock
ENV PATH=/opt/penstock/bin:$PATH PENSTOCK_DATA_DIR=/var/lib/penstock OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
# By number, so that a rule against root can be judged from outside.
USER 10001
VOLUME /var/lib/penstock
ENTRYPOINT ["penstock"]
CMD ["--help"]
