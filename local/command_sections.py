"""What docs/commands.md shows, in order: each section's words, and the commands that it runs.

HOW TO ADD YOUR COMMAND

1. Append a ``Section`` to ``SECTIONS``, at the end, so that what other sections show stays as it is.
2. ``text`` says in a few sentences what the commands are for, and what no output can show. The page adds by itself,
   from the code: what each command does (the first paragraph of its docstring), its arguments and options, and the exit
   status where it is not 0. Do not repeat these.
3. ``steps`` are done one after the other in one small world, whose clock stands still: a text is a command line that is
   run and shown with its real output; a function is given the ``World`` and shown nothing (see its methods: move the
   clock, write a file, change what the vendors have). Commands run in ``World.folder``, so plain file names do.
4. ``python -m local.command_page`` writes the page; ``--check`` compares. Output must be the same each time: what
   cannot be (a duration, a port, a temporary folder) is masked in ``command_page.MASKS``, one line each.

The world, when the first section starts: an empty database, a simulator of both vendors, Saturday 2026-11-21 13:00 New
York. After the section ``run historical`` the year of AAPL, MSFT, SPY and X:BTCUSD is stored.
A test fails for a command of the CLI that no section runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import redis

if TYPE_CHECKING:
    from local.command_world import World

    Step = str | Callable[["World"], None]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, words in Markdown, and steps: command lines to run and show, functions to prepare the world."""

    title: str
    text: str
    steps: tuple[Step, ...]


UNIVERSE = """\
symbol,asset_class,vendor_symbol,name,listed_on,watchlists
AAPL,stock,,Apple Inc.,1980-12-12,Technology
MSFT,stock,,Microsoft Corporation,1986-03-13,Technology
SPY,etf,,SPDR S&P 500 ETF Trust,1993-01-29,
X:BTCUSD,crypto,bitcoin,Bitcoin,,Coins
"""


def _write_universe(world: World) -> None:
    world.write("universe.csv", UNIVERSE)


def _deny_microsoft(world: World) -> None:
    world.admin.put_key("demo-polygon-starter", denied_symbols=["MSFT"])


OLD_PRICES = """\
Ticker;Day;Last;Shares
AAPL;04.11.2019;257,50;25.817.952
AAPL;05.11.2019;257,13;19.974.427
AAPL;09.11.2019;260,14;1
AAPL;20.11.2026;318,00;5
FB;04.11.2019;194,72;16.371.279
"""
OLD_SPEC = """\
name = "acme"
time_format = "%d.%m.%Y"
skip = ["FB"]
[columns]
symbol = "Ticker"
session = "Day"
close = "Last"
volume = "Shares"
[csv]
delimiter = ";"
decimal = ","
thousands = "."
"""
OLD_SYSTEM = """\
create table asset_data (symbol text, date date, "timestamp" timestamptz, open numeric, high numeric, low numeric,
    close numeric, volume numeric, adjusted_close numeric);
create index on asset_data (symbol, date);
insert into asset_data values
    ('BTC-USD', '2020-01-01', null, 7194.89, 7254.33, 7174.94, 7200.17, 18565664997, 7200.17),
    ('AAPL', '2024-11-06', '2024-11-06 14:30+00', 222.61, 223.9, 221.6, 222.1, 9000000, null);
"""


def _write_old_prices(world: World) -> None:
    world.write("old.csv", OLD_PRICES)
    world.write("old.toml", OLD_SPEC)


def _raise_old_system(world: World) -> None:
    with psycopg.connect(world.dsn) as connection:  # a schema of its own is a system of its own here
        connection.execute(OLD_SYSTEM)
    os.environ["MARKETDATA_LEGACY_DSN"] = world.dsn


def _forget_quota(world: World) -> None:
    with redis.Redis.from_url(world.redis_url) as cache:
        cache.flushall()  # else the page would show how long ago the other commands ran


def _monday_evening(world: World) -> None:
    world.at(datetime.fromisoformat("2026-11-23T22:30:00+00:00"))


def _tuesday_noon(world: World) -> None:
    world.admin.correct_bar("AAPL", date(2026, 11, 23), v=51234567.0, n=612345.0)
    world.at(datetime.fromisoformat("2026-11-24T18:00:00+00:00"))


TICKING = """\
update asset set created_at = '2026-11-20';
insert into realtime_feed (vendor, feed, way, cadence_minutes, delay_seconds, note, decided_at) values
    ('polygon', 'latest', 'snapshot', 1, 0, '', now()), ('coingecko', 'latest', 'simple_price', 5, 0, '', now());
insert into latest_price (asset_id, at, fetched_at, seen_at, run_id, price, session, delayed, source)
    select asset_id, s.at, s.at, s.at, 1, 100, '2026-11-24', false, 'polygon'
    from asset cross join lateral (
        select timestamptz '2026-11-24 17:59:04+00' - interval '1 minute' * case symbol when 'MSFT' then 7 else 0 end
            as at
    ) as s;
"""


def _tick(world: World) -> None:
    with psycopg.connect(world.dsn, options="-c search_path=marketdata") as connection:
        connection.execute(TICKING)


def _leave_out_microsoft(world: World) -> None:
    from marketdata.domain.alerting import Trouble
    from marketdata.storage.alerts import update_alerts
    from marketdata.storage.warehouse import Warehouse

    noon = datetime.fromisoformat("2026-11-24T18:00:00+00:00")
    found = Trouble(
        "assets_left_out",
        "polygon",
        "warn",
        noon - timedelta(minutes=7),
        ("latest",),
        7.0,
        4.0,
        ("MSFT",),
        cause="polygon answers, at 2026-11-24 12:59 New York last, and gives no price for them",
        next_step="see their vendor symbols, and marketdata.quarantine for prices that were refused",
    )
    with Warehouse.open(world.dsn) as warehouse:
        warehouse.transact(update_alerts, [found], held=(), ended={}, now=noon, runbooks="docs/runbooks")


SECTIONS = (
    Section(
        "The schema",
        "The first command on a new database, and the one to run after each update. `doctor` looks at everything that"
        " ingestion needs and says what to do about what is wrong.",
        ("marketdata migrate", "marketdata doctor"),
    ),
    Section(
        "Assets",
        "What is followed comes from a CSV file with a header; only `symbol` and `asset_class` are required.",
        (_write_universe, "marketdata assets load universe.csv"),
    ),
    Section(
        "plan",
        "What a run would ask of the vendors, before anybody asks it. The run that follows needs as many requests,"
        " unless an answer is faulty and asked for again. Probes find out whether a history that starts late was cut"
        " off by the vendor's plan.",
        ("marketdata plan 1Y", "marketdata plan MAX AAPL --json"),
    ),
    Section(
        "run historical",
        "The flow of the DAG `historical_daily` without Airflow's scheduler: for a new asset at once, on a machine"
        " without Airflow, or to see what happens. Vendors are asked one after the other, behind a progress bar on a"
        " terminal. Ctrl-C leaves what is stored; the same command goes on from there.\n\n"
        "In this world the vendor's plan does not give MSFT before the last year, and reaches five years back.",
        (
            "marketdata run historical 1Y",
            _deny_microsoft,
            "marketdata run historical 3Y MSFT SPY",
            "marketdata run historical MAX AAPL",
        ),
    ),
    Section(
        "gaps",
        "What is missing and why, by coverage: what a vendor never answered for good.",
        ("marketdata gaps 1Y", "marketdata gaps MAX AAPL MSFT X:BTCUSD"),
    ),
    Section(
        "verify",
        "A certificate of completeness: every expected session has its bar, or the evidence that there is none. What"
        " coverage calls answered and has neither, or both, is unknown too, and is named.\n\n"
        "Anybody can recompute an asset's digest, and the digest over all from the digests: it is the SHA-256 of the"
        " lines `symbol,from,to,bars,digest` in the byte order of the symbols, as `--json` gives them.\n\n"
        "```sh\n"
        'psql "$MARKETDATA_DSN" -qc "copy (select session, open, high, low, close, volume, volume_24h, vwap, trades'
        " from marketdata.bar_daily\n"
        "  where asset_id = 1 and session between '2025-11-21' and '2026-11-20' order by session) to stdout"
        ' (format csv)" | sha256sum\n'
        "```",
        ("marketdata verify 1Y", "marketdata verify MAX AAPL", "marketdata verify 7D SPY --json"),
    ),
    Section(
        "why",
        "One bar, in plain words: the calendar, what is stored or proven, what failed, who asked, and the next try.",
        (
            "marketdata why AAPL 2026-11-20",
            "marketdata why MSFT 2026-11-26",
            "marketdata why MSFT 2024-05-01",
            "marketdata why AAPL 2010-01-04",
            "marketdata why X:BTCUSD 2026-11-14",
        ),
    ),
    Section(
        "quota",
        "What may still be sent to each vendor, for all processes together. `used` counts realtime and batch; batch"
        " leaves the reserve to realtime.",
        (_forget_quota, "marketdata quota"),
    ),
    Section(
        "assets add, remove, list",
        "One asset more or less, without a file. The vendor is asked who is meant: a coin's symbol is often shared, and"
        " only its id is sure. What is removed keeps its history and its place on lists; `add` takes it back as it was."
        " The next run fetches the whole history of an asset that was added.",
        (
            "marketdata assets add NVDA --class stock --watchlist Technology",
            "marketdata assets add X:ETHUSD --class crypto",
            "marketdata assets add X:ETHUSD --class crypto --vendor-symbol ethereum",
            "marketdata assets add APPL --class stock",
            "marketdata assets remove SPY",
            "marketdata assets list --all",
            "marketdata assets add SPY",
        ),
    ),
    Section(
        "watchlist, overview",
        "What somebody watches: lists, and the market overview, which has an order. An asset on either is active.",
        (
            "marketdata watchlist create Favourites",
            "marketdata watchlist add Favourites AAPL X:BTCUSD",
            "marketdata watchlist remove Favourites AAPL",
            "marketdata watchlist show Favourites",
            "marketdata watchlist list",
            "marketdata watchlist delete Favourites",
            "marketdata overview set SPY AAPL X:BTCUSD",
            "marketdata overview show",
        ),
    ),
    Section(
        "export",
        "Stored bars as a file, a bounded number in memory at a time. Numbers come back bit for bit: CSV has the"
        " shortest digits that do so, Parquet has typed columns and says what they mean. `factor` is what raw prices"
        " were multiplied with. With `--as-of` the series is the one that was known then, adjusted by the splits and"
        " dividends up to that day.",
        (
            "marketdata export AAPL X:BTCUSD --range 1Y --out year.csv",
            "marketdata export AAPL --range 5Y --adjusted splits --out adjusted.csv",
            "marketdata export AAPL --range 7D --out year.csv",
            "marketdata export AAPL --first 2026-11-16 --as-of 2026-11-21T18:00:00Z --out week.csv --json",
        ),
    ),
    Section(
        "revisions",
        "What the vendors changed of what is stored, with both values. The earlier version of a bar is never lost: the"
        " SQL function `marketdata.bar_daily_as_of(asset_id, first, last, known_at)` gives a series as it was known at"
        " an instant, the view `marketdata.bar_daily_change` gives the changes.\n\n"
        "Here a bar is taken on its own evening, and the vendor has other figures the day after.",
        (
            _monday_evening,
            "marketdata run historical 7D AAPL",
            _tuesday_noon,
            "marketdata run historical 7D AAPL",
            "marketdata revisions",
            "marketdata revisions --corrections",
        ),
    ),
    Section(
        "data-migration",
        "History that was kept elsewhere: a CSV or Parquet file under a declared spec, or the table of an old system."
        " Every key of a spec, and what becomes of a row, is in [imports.md](imports.md). A bar that a vendor gave"
        " stays.\n\n"
        "The file has commas for decimals, a Saturday, a day that the vendor knows better, and a symbol to leave out.",
        (
            _write_old_prices,
            "marketdata data-migration file old.csv --spec old.toml --dry-run",
            "marketdata data-migration file old.csv --spec old.toml",
            "marketdata data-migration file old.csv --spec old.toml --json",
            _raise_old_system,
            "marketdata data-migration legacy",
        ),
    ),
    Section(
        "freshness",
        "How old prices, hours and daily bars are, in trading time: at night, on weekends and on holidays nothing grows"
        " old. The DAG `freshness_watch` judges the same and sends alerts; this command needs no Airflow, so that from"
        " cron on another machine it notices a scheduler that is dead. `MARKETDATA_STALE_AFTER` sets the ages.\n\n"
        "Here realtime is running and the vendor leaves one asset out; Monday's daily run was done for one asset only.",
        (_tick, "marketdata freshness"),
    ),
    Section(
        "alerts",
        "What `freshness_watch` found wrong: open alerts with cause and next step, those of the last week, silences,"
        " and messages that no receiver took yet. `marketdata alerts` alone is the list. What the keys mean, and who"
        " is told, is in [alerting.md](alerting.md).",
        (
            _leave_out_microsoft,
            "marketdata alerts list",
            'marketdata alerts silence assets_left_out:polygon --until 2026-12-01 --reason "vendor asked" --who ops',
            "marketdata alerts unsilence 1",
            "marketdata alerts test",
        ),
    ),
)
