"""What Airflow is told about the connection types."""

from __future__ import annotations

from importlib import import_module

from marketdata.hooks.connection import PLANS
from marketdata.provider import get_provider_info


def test_each_vendor_has_a_connection_type_whose_hook_says_the_same() -> None:
    types = get_provider_info()["connection-types"]
    assert [entry["connection-type"] for entry in types] == list(PLANS)
    for entry in types:
        module, _, name = entry["hook-class-name"].rpartition(".")
        hook = getattr(import_module(module), name)
        assert (hook.conn_type, hook.hook_name) == (entry["connection-type"], entry["hook-name"])
        assert hook.default_conn_name == f"{entry['connection-type']}_default"
        assert hook.conn_name_attr == "conn_id"
        assert entry["conn-fields"]["plan"]["schema"]["enum"] == [*PLANS[hook.vendor], None]


def test_the_provider_is_named_like_its_distribution() -> None:
    assert get_provider_info()["package-name"] == "marketdata"


def test_airflows_own_schema_accepts_the_provider() -> None:
    import json
    from pathlib import Path

    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
