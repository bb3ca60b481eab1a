"""docker-compose.yaml, read as data: no Docker engine runs here."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from local import postgres, processes
from local.airflow import POOLS, ROOT, SETTINGS, shared_settings
from marketdata.storage.connection import connect
from marketdata.storage.migrations import migrate
from marketdata.storage.read_pool import MOST_SESSIONS
from marketdata.storage.roles import Login, find_login

SERVICES = {
    "timescaledb",
    "redis",
    "airflow-init",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "airflow-worker",
}
AIRFLOW = sorted(name for name in SERVICES if name.startswith("airflow-"))
RUNNING = sorted(SERVICES - {"airflow-init"})
SECRETS = {
    "POSTGRES_PASSWORD",
    "MARKETDATA_OWNER_PASSWORD",
    "MARKETDATA_APP_PASSWORD",
    "MARKETDATA_READER_PASSWORD",
    "AIRFLOW_DB_PASSWORD",
    "REDIS_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_SECRET_KEY",
    "AIRFLOW_JWT_SECRET",
    "POLYGON_API_KEY",
}
_ADDRESS = re.compile(r"//(?P<user>\w+):\$\{(?P<secret>\w+):[^}]+\}@timescaledb(:5432)?/(?P<database>\w+)$")
TEXT = (ROOT / "docker-compose.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
    return found


def test_every_service_of_the_design_is_there(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == SERVICES
    commands = {name: " ".join(services[name]["command"]) for name in AIRFLOW}
    assert commands.pop("airflow-init").endswith("/include/airflow/init.sh")
    assert commands == {
        "airflow-api-server": "airflow api-server",
        "airflow-scheduler": "airflow scheduler",
        "airflow-dag-processor": "airflow dag-processor",
        "airflow-triggerer": "airflow triggerer",
        "airflow-worker": "airflow celery worker",
    }
    for name in AIRFLOW:
        assert services[name]["environment"]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


@pytest.mark.fault("S10")
def test_every_image_is_pinned(services: dict[str, dict[str, Any]]) -> None:
    base = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    images = [service["image"] for service in services.values()] + base
    assert len(images) == len(services) + 1
    for image in images:
        assert re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+[\w.-]*", image), image
    assert services["timescaledb"]["image"].startswith("timescale/timescaledb:2.28.")


@pytest.mark.fault("S10")
def test_every_secret_is_required_and_has_no_default(services: dict[str, dict[str, Any]]) -> None:
    required = set(re.findall(r"\$\{(\w+):\?[^}]+\}", TEXT))
    assert required == SECRETS
    for name in re.findall(r"\$\{(\w+)[^:?]*:-[^}]+\}", TEXT):
        assert not re.search("PASSWORD|SECRET|KEY", name), f"{name} has a default"
    assert "COINGECKO_API_KEY?" in TEXT, "an empty key is a plan there, an unset one an oversight"
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD$|SECRET|_KEY$|AUTH$", name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


@pytest.mark.fault("S10")
def test_the_example_file_names_every_variable_and_gives_no_value() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    lines = [line for line in example if line and not line.startswith("#")]
    assert {line.split("=", 1)[0] for line in lines} == set(re.findall(r"\$\{(\w+)", TEXT))
    assert [line for line in lines if not line.endswith("=")] == []


@pytest.mark.fault("S10")
def test_ports_are_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"timescaledb", "airflow-api-server"}
    for ports in published.values():
        assert ports
        for port in ports:
            assert port.startswith("127.0.0.1:")


@pytest.mark.fault("S09")
def test_redis_has_a_password_and_no_published_port(services: dict[str, dict[str, Any]]) -> None:
    command = services["redis"]["command"]
    assert command[command.index("--requirepass") + 1].startswith("${REDIS_PASSWORD:?")
    assert "ports" not in services["redis"]


@pytest.mark.fault("S11")
def test_only_the_database_knows_its_superuser_and_only_what_migrates_the_owner(
    services: dict[str, dict[str, Any]],
) -> None:
    def knowing(secret: str) -> set[str]:
        return {name for name, service in services.items() if f"${{{secret}:" in str(service["environment"])}

    assert knowing("POSTGRES_PASSWORD") == {"timescaledb"}
    assert knowing("MARKETDATA_OWNER_PASSWORD") == {"timescaledb", "airflow-init"}
    assert knowing("MARKETDATA_APP_PASSWORD") == {"timescaledb", *AIRFLOW}
    assert "postgres:$" not in TEXT, "nobody logs in as the superuser"


@pytest.mark.fault("S11")
def test_each_login_of_the_services_is_made_with_the_role_that_it_needs(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    """The file that the first start of the container runs, on a server of ours, then the migration, flows and reads."""
    passwords = {name: f"secret'{number}" for number, name in enumerate(sorted(SECRETS)) if name.endswith("_PASSWORD")}
    server = postgres.start(tmp_path / "data", password="x" * 9, log=tmp_path / "log", settings=postgres.THROW_AWAY)
    processes.guard(server.process, signal.SIGQUIT)
    try:
        owner = server.create_database("marketdata")
        file = ROOT / "include" / "airflow" / "create_logins.sql"
        psql = [postgres.find_bindir() / "psql", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--file={file}", owner]
        subprocess.run(psql, env={**os.environ, **passwords}, check=True, capture_output=True)

        def dsn(service: str, name: str) -> str:
            found = _ADDRESS.search(services[service]["environment"][name])
            assert found is not None
            return make_conninfo(server.dsn(found["database"]), user=found["user"], password=passwords[found["secret"]])

        assert migrate(dsn("airflow-init", "MARKETDATA_DSN"))[0] == "0001_assets"
        for name in ("AIRFLOW_CONN_MARKETDATA_DB", "MARKETDATA_DSN"):
            with connect(dsn("airflow-worker", name)) as connection:
                assert find_login(connection) == Login("marketdata_flows", False, False, True, False)
        with psycopg.connect(dsn("airflow-api-server", "AIRFLOW_CONN_MARKETDATA_READER")) as connection:
            assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)
            assert connection.execute("select count(*) from marketdata.asset").fetchone() == (0,)
        with psycopg.connect(dsn("airflow-scheduler", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")) as connection:
            connection.execute("create table public.dag (id int)")
    finally:
        processes.stop([server.process])


@pytest.mark.fault("D08")
def test_all_who_may_be_connected_at_once_fit_into_the_server(services: dict[str, dict[str, Any]]) -> None:
    """The sum of docs/deployment.md, made from what is set."""
    slots = {name: int(pool["slots"]) for name, pool in json.loads(POOLS.read_text(encoding="utf-8")).items()}
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    for name, number in slots.items():
        assert f"| pool `{name}` | {number}, one a slot |" in page
    outside, closing = 6, 2
    ours = sum(slots.values()) + outside + closing + MOST_SESSIONS
    assert f"| **market data, together** | **{ours}** |" in page
    airflow = 4 * (int(shared_settings()["AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE"]) + 10)
    assert f", {airflow} together" in page
    allowed = int(services["timescaledb"]["command"][-1].removeprefix("max_connections="))
    for_superusers, workers, concurrency = 3, 3, 16
    assert ours + airflow + workers * concurrency <= allowed - for_superusers


@pytest.mark.fault("S10")
def test_nobody_is_admin_without_a_login() -> None:
    assert "ALL_ADMINS" not in TEXT + SETTINGS.read_text(encoding="utf-8")


def test_every_running_service_has_a_health_check_and_comes_back(services: dict[str, dict[str, Any]]) -> None:
    for name in RUNNING:
        assert services[name]["healthcheck"]["test"], name
        assert services[name]["restart"] == "unless-stopped", name


def test_services_start_in_order(services: dict[str, dict[str, Any]]) -> None:
    conditions = {
        name: {on: how["condition"] for on, how in service.get("depends_on", {}).items()}
        for name, service in services.items()
    }
    assert conditions["airflow-init"] == {"timescaledb": "service_healthy"}
    for name in set(AIRFLOW) - {"airflow-init"}:
        assert conditions[name]["timescaledb"] == "service_healthy", name
        assert conditions[name]["redis"] == "service_healthy", name
        assert conditions[name]["airflow-init"] == "service_completed_successfully", name
    for name in ("airflow-scheduler", "airflow-triggerer", "airflow-worker"):
        assert conditions[name]["airflow-api-server"] == "service_healthy", name


def test_workers_can_be_scaled(services: dict[str, dict[str, Any]]) -> None:
    assert not {"container_name", "ports", "hostname"} & set(services["airflow-worker"])


def test_the_same_dags_plugins_include_and_settings_as_the_local_stack(services: dict[str, dict[str, Any]]) -> None:
    for name in AIRFLOW:
        service = services[name]
        assert (ROOT / service["env_file"]).samefile(SETTINGS), name
        for folder in ("dags", "plugins", "include"):
            assert f"./{folder}:/opt/airflow/{folder}:ro" in service["volumes"], name
            assert (ROOT / folder).is_dir()
        overridden = set(shared_settings()) & set(service["environment"])
        assert not overridden, f"{name} overrides {overridden}"
    assert len(shared_settings()) >= 5


def test_initialising_migrates_both_databases_and_makes_the_same_pools() -> None:
    script = (ROOT / "include" / "airflow" / "init.sh").read_text(encoding="utf-8")
    assert "airflow db migrate" in script
    assert "marketdata migrate" in script
    assert f'airflow pools import "$(dirname "$0")/{POOLS.name}"' in script


def test_the_image_is_built_from_the_hashed_lock() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--no-deps --require-hashes --requirement requirements.txt" in dockerfile
    assert re.search(r"^USER airflow$", dockerfile, re.MULTILINE)
