# Three images from one file: `api` (HTTP only), `worker` (rendering, model, maintenance) and
# `dev` (the worker with the tests' tools, for docker-compose.yaml and the dev container).
# It needs no BuildKit feature, so that docker-compose 1.29 builds it as well.

FROM python:3.11.15-slim-bookworm AS base
ENV PATH=/opt/venv/bin:$PATH \
    # Our package has a folder named like the standard library's `queue`: never look beside a script.
    PYTHONSAFEPATH=1 \
    PYTHONPATH=/srv/full-rag \
    PYTHONUNBUFFERED=1 \
    # The root file system is read-only; byte code is made while the image is built.
    PYTHONDONTWRITEBYTECODE=1 \
    # The only place that may be written besides the document's folder (a tmpfs in production).
    HOME=/tmp
# tini: process 1; hands signals on and reaps what killed renderers leave behind.
# Debian keeps no old package versions: the base image's exact version is the pin.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 full-rag \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin full-rag \
    # A named volume mounted here takes this owner when it is first used.
    && install -d -o full-rag -g full-rag -m 0750 /data/files
WORKDIR /srv/full-rag
ENTRYPOINT ["/usr/bin/tini", "--"]


# Compilers and caches stay behind in the builders; only /opt/venv and the code go on.
FROM base AS builder
COPY requirements.txt ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements.txt
COPY app/ app/
COPY deploy/ deploy/
RUN python -m compileall -q app


FROM builder AS dev-builder
COPY requirements-dev.txt ./
RUN /opt/venv/bin/pip install --no-cache-dir --only-binary=:all: --require-hashes -r requirements-dev.txt


FROM base AS api
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/full-rag /srv/full-rag
ENV HOST=0.0.0.0 \
    PORT=8001 \
    STORAGE_URL=/data/files
USER 10001:10001
EXPOSE 8001
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-S", "/srv/full-rag/deploy/healthcheck_api.py"]
CMD ["python", "-m", "app.main"]


FROM base AS worker-base
# More OCR languages: --build-arg OCR_PACKAGES="tesseract-ocr-eng tesseract-ocr-deu", then OCR_LANGUAGE=eng+deu.
ARG OCR_PACKAGES="tesseract-ocr-eng"
# poppler-utils: pdftoppm, tried where PDFium cannot open a file (and PDF_RENDERER=poppler).
# tesseract-ocr: the local reader's OCR for pages without a text layer.
# hadolint ignore=DL3008,SC2086
RUN apt-get update \
    && apt-get install -y --no-install-recommends poppler-utils tesseract-ocr ${OCR_PACKAGES} \
    && rm -rf /var/lib/apt/lists/*
# What RQ's stock command line needs to know about us comes from its own environment variables.
ENV RQ_WORKER_CLASS=app.queue.workers.FullRagWorker \
    RQ_QUEUE_CLASS=app.queue.workers.FullRagQueue \
    RQ_JOB_CLASS=app.queue.workers.AllowListJob \
    RQ_CONNECTION_CLASS=app.queue.workers.PatientConnection \
    # One core a document: numpy and tesseract would each start a thread a core.
    OPENBLAS_NUM_THREADS=1 \
    OMP_THREAD_LIMIT=1 \
    STORAGE_URL=/data/files


FROM worker-base AS dev
# git: the editor in the dev container; procps: ps and top, to look at workers;
# curl: the README's commands.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git procps curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --create-home --shell /bin/bash dev \
    && install -d -o dev -g dev -m 0750 /data/files
COPY --from=dev-builder /opt/venv /opt/venv
COPY deploy/ /srv/full-rag/deploy/
ENV HOME=/home/dev \
    HOST=0.0.0.0
USER 1000:1000
CMD ["sleep", "infinity"]


# Last, so that a build without --target gives the image with everything a worker needs.
FROM worker-base AS worker
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /srv/full-rag /srv/full-rag
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["python", "/srv/full-rag/deploy/healthcheck_worker.py"]
CMD ["sh", "/srv/full-rag/deploy/worker.sh"]
