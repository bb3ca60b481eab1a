"""The peer ``dlt``: its REST source into its PostgreSQL destination, as its documentation has it for such an API.

``python -m tests.bench.peer_dlt DSN POLYGON_URL FOLDER FIRST LAST TICKER...`` is one run. Each ticker has a resource of
its own, so that each keeps its own place: incremental on the bar's time, merged on ticker and time, adjusted prices as
a chart wants them. Retries are those of dlt's own HTTP client.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import date, datetime
from typing import Any

from marketdata.domain.sessions import NEW_YORK
from tests.bench.stage import KEY, ready_file

os.environ["PROVIDERS__ENABLE_AIRFLOW_SECRETS"] = "false"  # its look-ups in Airflow would cost it time
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"


def main(dsn: str, polygon_url: str, folder: str, first: str, last: str, *tickers: str) -> None:
    """Load what is new since the last run."""
    import dlt
    from dlt.sources.rest_api import rest_api_source

    ready_file(folder).write_text(str(time.time()), encoding="utf-8")
    start = round(datetime.combine(date.fromisoformat(first), datetime.min.time(), NEW_YORK).timestamp() * 1000)
    client = {"base_url": polygon_url, "auth": {"type": "bearer", "token": KEY}}
    source = rest_api_source({"client": client, "resources": [_bars(ticker, start, last) for ticker in tickers]})
    pipeline = dlt.pipeline(
        "side_by_side",
        pipelines_dir=folder,
        destination=dlt.destinations.postgres(credentials=dsn),
        dataset_name="peer",
    )
    pipeline.run(source)


def _bars(ticker: str, start: int, last: str) -> Any:  # noqa: ANN401 - a resource as dlt's configuration spells it
    def name_ticker(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "ticker": ticker}

    return {
        "name": f"bars_{ticker}",
        "table_name": "bars",
        "primary_key": ["ticker", "t"],
        "write_disposition": "merge",
        # Without it dlt takes a whole number for an integer and puts the next fraction into a second column.
        "columns": {name: {"data_type": "double"} for name in ("o", "h", "l", "c", "v", "vw")},
        "endpoint": {
            "path": f"v2/aggs/ticker/{ticker}/range/1/day/{{incremental.start_value}}/{last}",
            "params": {"adjusted": "true", "sort": "asc", "limit": 50_000},
            "data_selector": "results",
            "paginator": {"type": "json_link", "next_url_path": "next_url"},
            "incremental": {"cursor_path": "t", "initial_value": start},
        },
        "processing_steps": [{"map": name_ticker}],
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
