# Airflow and this project, from the same hashed lock as the one-machine stack.
FROM python:3.12.12-slim-bookworm

ENV AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__API__HOST=0.0.0.0 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

RUN useradd --uid 50000 --gid 0 --home-dir /opt/airflow --create-home airflow \
    && mkdir /opt/airflow/logs /opt/airflow/state \
    && chown airflow:0 /opt/airflow/logs /opt/airflow/state
WORKDIR /opt/airflow

COPY requirements.txt ./
RUN pip install --no-deps --require-hashes --requirement requirements.txt

COPY pyproject.toml README.md ./
COPY plugins plugins
RUN pip install --no-deps --no-build-isolation --editable .
COPY include include
COPY dags dags

USER airflow
