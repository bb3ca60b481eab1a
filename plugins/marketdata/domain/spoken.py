"""Figures, instants and calls as people read them. Instants are New York time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from marketdata.domain.bars import AssetClass
from marketdata.domain.day_facts import EarlierBar, LedgerCall, Refusal, StoredBar, Subject
from marketdata.domain.sessions import NEW_YORK

_RECORD = ("open", "high", "low", "close", "volume", "volume_24h", "vwap")


def instant(at: datetime) -> str:
    """``Friday 2026-11-20 16:30 New York``."""
    return f"{at.astimezone(NEW_YORK):%A %Y-%m-%d %H:%M} New York"


def clock(at: datetime) -> str:
    """``16:00`` of an instant, in New York."""
    return f"{at.astimezone(NEW_YORK):%H:%M}"


def midnight_after(day: date, asset_class: AssetClass) -> datetime:
    """The instant at which ``day`` is over on the asset's own clock: UTC for crypto, else New York."""
    zone = UTC if asset_class == "crypto" else NEW_YORK
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)


def number(value: float) -> str:
    """The shortest decimal that is this number, thousands apart; whole numbers without a point."""
    whole, point, decimals = np.format_float_positional(value, trim="-").partition(".")
    return f"{int(whole):,}{point}{decimals}"


def figures(bar: StoredBar | EarlierBar) -> str:
    """A bar in one line, with units."""
    parts = [f"close {number(bar.close)} US dollars"]
    if bar.open is not None and bar.high is not None and bar.low is not None:
        prices = f"open {number(bar.open)}, high {number(bar.high)}, low {number(bar.low)}, close {number(bar.close)}"
        parts = [f"{prices} US dollars, raw as traded"]
    else:
        parts.append("a close only, never to be shown as a candle")
    if bar.volume is not None:
        parts.append(f"volume {number(bar.volume)}")
    if bar.vwap is not None:
        parts.append(f"volume-weighted average {number(bar.vwap)}")
    if bar.trades is not None:
        parts.append(f"{bar.trades:,} trades")
    if bar.volume_24h is not None:
        parts.append(f"{number(bar.volume_24h)} US dollars traded in the 24 hours before the close")
    return "; ".join(parts)


def revision(earlier: EarlierBar) -> str:
    """What a bar was, and until when."""
    known = f"known {instant(earlier.first_seen_at)} to {instant(earlier.replaced_at)}"
    return f"{figures(earlier)}; {known}, replaced by run {earlier.replaced_by_run_id}"


def refusal(refused: Refusal) -> str:
    """A refused record with its reason."""
    given = {name: refused.record.get(name) for name in _RECORD}
    record = ", ".join(f"{name} {value}" for name, value in given.items() if value not in {None, "nan"})
    asked = f"call {refused.call_id} of run {refused.run_id}, {instant(refused.received_at)}"
    return f"{refused.reason} ({record}); {asked}"


def call(made: LedgerCall) -> str:
    """A call of the ledger in one line."""
    asked = made.first.isoformat() if made.first == made.last else f"{made.first} to {made.last}"
    whom = f" {made.symbol}" if made.symbol else ""
    purpose = "" if made.purpose == "fill" else f" ({made.purpose})"
    done = f", {instant(made.ended_at)}" if made.ended_at and made.state == "done" else ""
    named = f"call {made.call_id} of run {made.run_id} ({made.dag_id})"
    return f"{named}: {made.kind}{whom} {asked}{purpose}: {_came_of(made)}{done}"


def names(subject: Subject, day: date) -> list[str]:
    """What the asset was called on the day, and what is known of its being followed."""
    texts = []
    if subject.ticker_then not in {"", subject.vendor_symbol, subject.symbol}:
        texts.append(f"its ticker on that day was {subject.ticker_then}; today it is {subject.vendor_symbol}")
    if subject.ticker_meant:
        texts.append(f"on that day the ticker meant another asset: see {subject.ticker_meant}")
    if subject.listed_on is not None and day < subject.listed_on:
        texts.append(f"listed since {subject.listed_on}")
    if subject.delisted_on is not None and day > subject.delisted_on:
        texts.append(f"delisted; its last session was {subject.delisted_on}")
    if subject.gone_on is not None:
        texts.append(f"the vendor does not know the symbol since {subject.gone_on}; its history is kept")
    elif subject.inactive_since is not None:
        texts.append(f"not followed since {subject.inactive_since}; its history is kept")
    return texts


def _came_of(made: LedgerCall) -> str:
    if made.state == "pending":
        return "not made yet"
    if made.state == "not_made":
        return "never made, its run is over"
    if made.state == "done":
        return "nothing came" if not made.received else f"{made.received:,} record{'' if made.received == 1 else 's'}"
    return f"failed, {made.outcome}"
