"""The peer that most people write: a loop over tickers on the vendor's official client, upserting into PostgreSQL.

``python -m tests.bench.peer_loop DSN POLYGON_URL FOLDER FIRST LAST TICKER...`` is one run. A ticker goes on where its
newest stored bar is, adjusted prices as a chart wants them; one that fails is logged and left to the next run. Retries
are those of the client.
"""

from __future__ import annotations

import logging
import sys
import time

from tests.bench.stage import KEY, ready_file

log = logging.getLogger(__name__)

TABLE = """create table if not exists bars (
    ticker text, t bigint, o float8, h float8, l float8, c float8, v float8, vw float8, n bigint,
    primary key (ticker, t)
)"""
UPSERT = """insert into bars values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (ticker, t) do update set
    o = excluded.o, h = excluded.h, l = excluded.l, c = excluded.c, v = excluded.v, vw = excluded.vw, n = excluded.n"""


def main(dsn: str, polygon_url: str, folder: str, first: str, last: str, *tickers: str) -> None:
    """Load what is new since the last run; exit status 1 when a ticker failed."""
    import massive
    import psycopg
    import urllib3

    ready_file(folder).write_text(str(time.time()), encoding="utf-8")
    client = massive.RESTClient(api_key=KEY, base=polygon_url)
    failed = []
    with psycopg.connect(dsn) as connection:
        connection.execute(TABLE)
        for ticker in tickers:
            row = connection.execute("select max(t) from bars where ticker = %s", (ticker,)).fetchone()
            newest = row[0] if row else None
            try:
                bars = list(client.list_aggs(ticker, 1, "day", newest or first, last, adjusted=True, limit=50_000))
            except (massive.exceptions.BadResponse, urllib3.exceptions.HTTPError):
                log.exception("%s failed", ticker)
                failed.append(ticker)
                continue
            rows = [
                (ticker, bar.timestamp, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap, bar.transactions)
                for bar in bars
            ]
            with connection.cursor() as cursor:
                cursor.executemany(UPSERT, rows)
            connection.commit()
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
