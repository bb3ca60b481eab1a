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


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A range ending today and the house symbols to complete; no symbols means all assets.

    ``session``: only what became due with the run of that trading day, instead of the whole range.
    """

    range_name: str
    symbols: tuple[str, ...] = ()
    dry_run: bool = False
    session: date | None = None

    @classmethod
    def from_conf(cls, conf: Mapping[str, object], *, session: date | None = None) -> Self:
        """Check a trigger's ``conf``, merged with the defaults; raises InvalidRequest naming the first thing wrong.

        Airflow checks declared params only, and only where a schema is given; this is the second wall, and the first
        one for callers without Airflow.
        """
        for key in conf:
            if key not in _KEYS:
                raise InvalidRequest(f"conf key {key!r}", "it does not exist", f"use one of {', '.join(_KEYS)}")
        range_name = conf.get("range")
        if range_name not in RANGES:
            raise InvalidRequest(f"range {range_name!r}", "it does not exist", f"use one of {', '.join(RANGES)}")
        dry_run = conf.get("dry_run", False)
        if not isinstance(dry_run, bool):
            raise InvalidRequest(f"dry_run {dry_run!r}", "it is no boolean", "write true or false")
        return cls(str(range_name), _symbols(conf.get("symbols") or []), dry_run, session)


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
