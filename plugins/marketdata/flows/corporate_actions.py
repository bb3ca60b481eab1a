"""Splits and dividends of our assets: read since the last time, for a new asset from the beginning, kept and judged."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, Literal, TypeVar

from marketdata.domain.corporate_actions import ReportedDividend, ReportedSplit
from marketdata.domain.planner import CallKind
from marketdata.domain.tickers import TickerBook
from marketdata.flows.inquiry import Asked, Inquiry
from marketdata.flows.stale_charts import drop_charts
from marketdata.hooks.polygon_reference import MOST_TICKERS_A_CALL
from marketdata.storage import corporate_actions as stored
from marketdata.storage.aliases import find_ticker_book
from marketdata.storage.calls import QuarantineRow
from marketdata.storage.connection import Connection
from marketdata.storage.reference_calls import Brought

log = logging.getLogger(__name__)

What = Literal["splits", "dividends"]
Reported = TypeVar("Reported", ReportedSplit, ReportedDividend)

FROM_THE_BEGINNING = date(1970, 1, 1)
OVERLAP = timedelta(days=30)
"""How far before the last sync the next one reads: vendors add, correct and withdraw late."""

_TICKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9./:-]*")


@dataclass(frozen=True, slots=True)
class Subject:
    """An asset to read for: its house symbol, and every ticker that it had."""

    symbol: str
    tickers: tuple[str, ...]


Subjects = Mapping[int, Subject]
"""By asset_id."""


@dataclass(frozen=True, slots=True)
class Portion:
    """What one call is to bring: the actions of these assets since a day. No ``tickers``: the whole market is asked."""

    asset_ids: tuple[int, ...]
    tickers: tuple[str, ...]
    since: date


def sync_splits(inquiry: Inquiry, subjects: Subjects, *, in_full: bool) -> None:
    """Read and judge the splits of the assets; announced ones are read ahead.

    ``in_full`` reads all from the beginning, as a new asset's always are. Every split that no comparison has proven yet
    is judged again, since the bars that judge it may have come meanwhile.
    """
    book = inquiry.services.warehouse.transact(find_ticker_book)
    for portion in _portions(inquiry, "splits", subjects, in_full=in_full):
        _read_splits(inquiry, book, portion)
    _judge(inquiry, subjects)


def sync_dividends(inquiry: Inquiry, subjects: Subjects, *, in_full: bool) -> None:
    """Read the dividends of the assets, declared ones included; as :func:`sync_splits`."""
    book = inquiry.services.warehouse.transact(find_ticker_book)
    for portion in _portions(inquiry, "dividends", subjects, in_full=in_full):
        _read_dividends(inquiry, book, portion)


def _read_splits(inquiry: Inquiry, book: TickerBook, portion: Portion) -> None:
    polygon = inquiry.services.polygon
    asked = inquiry.ask(CallKind.SPLITS, lambda: polygon.splits(portion.since, portion.tickers), first=portion.since)
    if not isinstance(asked, Asked):
        return
    mine, refused = _ours(asked.answer.data, book, portion, lambda one: one.split.executed_on)

    def store(connection: Connection) -> Brought:
        brought = stored.store_splits(connection, mine, _reach(asked, portion))
        stored.advance(connection, "splits", portion.asset_ids, inquiry.today)
        return brought + refused

    inquiry.count("splits_new", inquiry.keep(asked, store).inserted)


def _read_dividends(inquiry: Inquiry, book: TickerBook, portion: Portion) -> None:
    polygon = inquiry.services.polygon
    asked = inquiry.ask(
        CallKind.DIVIDENDS, lambda: polygon.dividends(portion.since, portion.tickers), first=portion.since
    )
    if not isinstance(asked, Asked):
        return
    mine, refused = _ours(asked.answer.data, book, portion, lambda one: one.dividend.ex_date)

    def store(connection: Connection) -> Brought:
        brought = stored.store_dividends(connection, mine, _reach(asked, portion))
        stored.advance(connection, "dividends", portion.asset_ids, inquiry.today)
        return brought + refused

    brought = inquiry.keep(asked, store)
    if brought.inserted or brought.changed:  # changed ones may be withdrawn, of which the answer says nothing
        drop_charts(inquiry.services, portion.asset_ids if brought.changed else mine)
    inquiry.count("dividends_new", brought.inserted)
    foreign = sum(one.dividend.currency != "USD" for dividends in mine.values() for one in dividends)
    inquiry.count("dividends_left_out", foreign)  # of total-return series


def _portions(inquiry: Inquiry, what: What, subjects: Subjects, *, in_full: bool) -> Iterator[Portion]:
    """The fewest calls: new assets from the beginning, by their tickers; all others since the last time, in one."""
    progress = inquiry.services.warehouse.transact(stored.find_progress, list(subjects))
    through = {one.asset_id: one.splits_through if what == "splits" else one.dividends_through for one in progress}
    if in_full:
        through = dict.fromkeys(through)
    known = {asset_id: day for asset_id, day in through.items() if day is not None}
    if known:
        tickers = _tickers(subjects, known)
        is_few = len(tickers) <= MOST_TICKERS_A_CALL
        yield Portion(tuple(known), tickers if is_few else (), min(known.values()) - OVERLAP)
    chunk: list[int] = []
    for asset_id in sorted(set(through) - set(known)):
        if chunk and len(_tickers(subjects, [*chunk, asset_id])) > MOST_TICKERS_A_CALL:
            yield Portion(tuple(chunk), _tickers(subjects, chunk), FROM_THE_BEGINNING)
            chunk = []
        chunk.append(asset_id)
    if chunk and _tickers(subjects, chunk):
        yield Portion(tuple(chunk), _tickers(subjects, chunk), FROM_THE_BEGINNING)


def _tickers(subjects: Subjects, asset_ids: Iterator[int] | Sequence[int] | Mapping[int, date]) -> tuple[str, ...]:
    """Every ticker of these assets that can be one, each once."""
    tickers = (ticker for asset_id in asset_ids for ticker in subjects[asset_id].tickers)
    return tuple(dict.fromkeys(ticker for ticker in tickers if _TICKER.fullmatch(ticker)))


def _ours(
    rows: Sequence[Reported], book: TickerBook, portion: Portion, day_of: Callable[[Reported], date]
) -> tuple[dict[int, list[Reported]], Brought]:
    """The sound records of the portion's assets, each under the asset that had the ticker then; the others refused."""
    wanted = set(portion.asset_ids)
    mine: dict[int, list[Reported]] = {}
    refused: list[QuarantineRow] = []
    for row in rows:
        asset_id = book.asset_on(row.ticker, day_of(row))
        if asset_id is None or asset_id not in wanted:
            continue
        if row.flaw:
            record = _plain(asdict(row))
            refused.append(QuarantineRow(row.ticker, day_of(row), record, row.flaw, asset_id))
        else:
            mine.setdefault(asset_id, []).append(row)
    return mine, Brought(quarantined=tuple(refused))


def _plain(record: dict[str, Any]) -> dict[str, object]:
    """A record as JSON holds it, the nested action beside the rest."""
    flat: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat.update(_plain(value))
        else:
            flat[name] = value.isoformat() if isinstance(value, date) else value
    return flat


def _reach(asked: Asked[Any], portion: Portion) -> stored.Reach:
    """What an answer speaks for; a whole market without one record speaks for nothing, and withdraws nothing."""
    is_believed = bool(portion.tickers or asked.answer.data)
    return stored.Reach(portion.asset_ids, portion.since, asked.answer.received_at, withdraws=is_believed)


def _judge(inquiry: Inquiry, subjects: Subjects) -> None:
    warehouse, asset_ids = inquiry.services.warehouse, list(subjects)
    verdicts = warehouse.transact(stored.judge, asset_ids)
    drop_charts(inquiry.services, {judged.asset_id for judged in verdicts})
    warned = 0
    for judged in verdicts:
        verdict = judged.verdict
        state = "applied" if verdict.is_applied else "held"
        text = f"{subjects[judged.asset_id].symbol}: split {verdict.split} is {state}"
        inquiry.count(f"splits_{state}")
        if verdict.reason:
            warned += not verdict.is_applied
            inquiry.warn(f"{text}: {verdict.reason}")
        else:
            log.info("%s run_id=%d", text, inquiry.run_id)
    held = warehouse.transact(partial(stored.count_held, asset_ids=asset_ids))
    if held > warned:
        inquiry.warn(f"{held} splits are held in all: see marketdata.split where state = 'held'")
