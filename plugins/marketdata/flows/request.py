"""What a caller may ask of the history flow, checked before anything is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from marketdata.domain.ranges import RANGES
from marketdata.errors import InvalidRequest

# A house symbol: AAPL, BRK.B, GSpJ, X:BTCUSD. Ends with (?![\s\S]) since $ would let "AAPL\n" in.
SYMBOL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,31}(?![\s\S])"

_KEYS = ("range", "symbols", "dry_run")
_BACKFILL_KEYS = ("symbols", "verify_hours", "dry_run")
MOST_VERIFY_HOURS = 168.0


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A range ending today and the house symbols to complete; no symbols means all assets.

    ``session``: only what became due with the run of that trading day, instead of the whole range. ``verify_hours``: as
    long as the run's calls take less than that, it also compares what is stored with the vendor.
    """

    range_name: str
    symbols: tuple[str, ...] = ()
    dry_run: bool = False
    session: date | None = None
    verify_hours: float = 0.0

    @classmethod
    def from_conf(cls, conf: Mapping[str, object], *, session: date | None = None) -> Self:
        """Check a trigger's ``conf``, merged with the defaults; raises InvalidRequest naming the first thing wrong.

        Airflow checks declared params only, and only where a schema is given; this is the second wall, and the first
        one for callers without Airflow.
        """
        _refuse_unknown_keys(conf, _KEYS)
        range_name = conf.get("range")
        if range_name not in RANGES:
            raise InvalidRequest(f"range {range_name!r}", "it does not exist", f"use one of {', '.join(RANGES)}")
        return cls(str(range_name), _symbols(conf.get("symbols", [])), _dry_run(conf), session)

    @classmethod
    def for_backfill(cls, conf: Mapping[str, object]) -> Self:
        """The same for a backfill, which completes all history and verifies it."""
        _refuse_unknown_keys(conf, _BACKFILL_KEYS)
        hours = conf.get("verify_hours", 0.0)
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours <= MOST_VERIFY_HOURS:
            raise InvalidRequest(
                f"verify_hours {hours!r:.80}",
                "it is no number of hours",
                f"write 0 (verify nothing) to {MOST_VERIFY_HOURS:.0f}",
            )
        symbols = _symbols(conf.get("symbols", []))
        return cls("MAX", symbols, _dry_run(conf), verify_hours=float(hours))


def reference_symbols(conf: Mapping[str, object]) -> tuple[str, ...]:
    """The house symbols of a trigger of ``reference_sync``, checked; none: all assets."""
    _refuse_unknown_keys(conf, ("symbols",))
    return _symbols(conf.get("symbols", []))


def _refuse_unknown_keys(conf: Mapping[str, object], known: tuple[str, ...]) -> None:
    for key in conf:
        if key not in known:
            raise InvalidRequest(f"conf key {key!r}", "it does not exist", f"use one of {', '.join(known)}")


def _dry_run(conf: Mapping[str, object]) -> bool:
    dry_run = conf.get("dry_run", False)
    if not isinstance(dry_run, bool):
        raise InvalidRequest(f"dry_run {dry_run!r}", "it is no boolean", "write true or false")
    return dry_run


def _symbols(given: object) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise InvalidRequest(f"symbols {given!r:.80}", "it is no list", 'write "symbols": ["AAPL", "MSFT"]')
    for symbol in given:
        if not isinstance(symbol, str) or re.match(SYMBOL_PATTERN, symbol) is None:
            raise InvalidRequest(
                f"symbol {symbol!r:.80}",
                "it is malformed: letters, digits, '.', ':' and '-' only, at most 32",
                "write house symbols such as AAPL, BRK.B or X:BTCUSD",
            )
    return tuple(dict.fromkeys(given))
