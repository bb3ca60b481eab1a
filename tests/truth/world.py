"""The world of the truth test: 50 companies and 5 coins over two years, and everything odd that happens to them.

Events are told to the simulator beforehand; its clock decides when they show. What only a person or the vendor's staff
does (follow a new company, mend a wrong report, lock a key out) is an errand of a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from local.simulator.admin import SimulatorAdmin
from local.simulator.listings import load_universe

SEED, EXTRA_STOCKS = 7, 150
FIRST_DAY = date(2024, 11, 16)  # a Saturday: everything is loaded for the first time
LAST_DAY = date(2026, 11, 22)  # a Sunday: everything is verified for the last time
WINDOW_FIRST = date(2023, 11, 22)  # three years before the end: inside what the plan gives on every day of the story
HISTORY_DAYS = 1_100  # of the vendor's plan, which clips what is older in silence
PUBLISHED_ON_THE_EVENING_FROM = date(2026, 10, 5)  # the plan gives the running day from then on; before, from 20:30 on

REAL = [
    "AAPL", "MSFT", "GOOGL", "GOOG", "AMZN", "NVDA", "META", "TSLA", "AVGO", "ORCL", "CRM", "AMD", "NFLX", "ADBE",
    "INTC", "CSCO", "BRK.B", "JPM", "JPMpD", "V", "MA", "UNH", "JNJ", "KO", "PEP", "COST", "HD", "DIS", "XOM", "CVX",
    "BA", "GE", "T", "SPY", "QQQ", "GLD", "IBIT", "RDDT",
]  # fmt: skip
COINS = {"X:BTCUSD": "bitcoin", "X:ETHUSD": "ethereum", "X:SOLUSD": "solana", "X:ADAUSD": "cardano",
         "X:DOGEUSD": "dogecoin"}  # fmt: skip


def _synthetic() -> tuple[list[str], list[str]]:
    """Tickers of synthetic companies that trade nearly every session, and of some that often do not."""
    extras = load_universe(seed=SEED, extra_stocks=EXTRA_STOCKS).listings[-EXTRA_STOCKS:]
    alive = [one for one in extras if one.delisted_on is None and one.listed_on < WINDOW_FIRST]
    plain, thin = ([one.ticker for one in alive if (one.quiet > 0.1) == quiet] for quiet in (False, True))
    return plain[:6], thin[:2]


PLAIN, THIN = _synthetic()
RENAMED, SPLIT, REVERSED, REUSED, *_ = PLAIN


@dataclass(frozen=True, slots=True)
class Company:
    """One of the fifty: its house symbol at the end, and a ticker with a day on which that was this company's."""

    symbol: str
    ticker: str
    on: date


@dataclass(frozen=True, slots=True)
class Correction:
    """A bar that the vendor changes after it was final."""

    ticker: str
    session: date
    published_at: datetime
    values: Mapping[str, float]


def _at(year: int, month: int, day: int, hour: int = 11) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


CORRECTIONS = (
    Correction("AAPL", date(2025, 2, 11), _at(2025, 4, 1), {"v": 111_111.0}),
    Correction(RENAMED, date(2025, 2, 20), _at(2025, 6, 3), {"n": 4321}),  # by then it has another ticker
    Correction("V", date(2026, 9, 3), _at(2026, 9, 5), {"v": 222_222.5}),
    Correction("MSFT", date(2026, 8, 27), _at(2026, 9, 24), {"v": 333_333.0}),  # from before its split
    Correction("DIS", date(2026, 8, 26), _at(2026, 10, 12), {"v": 444_444.0}),  # from before its rename
    Correction("INTC", date(2026, 10, 29), _at(2026, 11, 12), {"v": 555_555.0}),  # its ticker is another's by then
)


HALTS = (("BA", date(2025, 3, 11)), ("BA", date(2026, 9, 22)), ("UNH", date(2026, 10, 6)), ("UNH", date(2026, 10, 7)))


def tell(admin: SimulatorAdmin) -> None:
    """All that happens in the world by itself."""
    # Before the last three months.
    admin.rename(RENAMED, "QZAA", date(2025, 3, 12))
    admin.add_split(SPLIT, date(2025, 6, 10), 1, 4)
    admin.delist(REUSED, date(2025, 5, 16))
    admin.list_company(REUSED, date(2025, 8, 4), price=21.0)
    admin.add_split(REVERSED, date(2025, 9, 18), 8, 1)
    admin.list_company("NEWA", date(2025, 10, 1), price=33.0)
    for ticker, session in HALTS:
        admin.halt(ticker, session)
    # Day by day.
    admin.add_split("MSFT", date(2026, 9, 9), 1, 2)
    admin.rename("CRM", "SLSF", date(2026, 9, 14))
    admin.add_split("GE", date(2026, 9, 16), 10, 1)
    admin.add_split("NVDA", date(2026, 9, 23), 1, 10, reported=2 * [reported(date(2026, 9, 23), 1, 10)])
    admin.add_split("KO", date(2026, 9, 30), 1, 2, reported=[reported(date(2026, 10, 2), 1, 2)])
    admin.rename("DIS", "DSNY", date(2026, 10, 1))
    admin.add_dividend("XOM", date(2026, 10, 8), 3.5)
    both = [reported(date(2026, 10, 14), 1, 3), reported(date(2026, 10, 14), 1, 2)]
    admin.add_split("PEP", date(2026, 10, 14), 1, 3, reported=both)
    admin.list_company("CRM", date(2026, 10, 19), price=12.0)
    admin.delist("INTC", date(2026, 10, 30))
    admin.list_company("INTC", date(2026, 11, 9), price=7.0)
    for correction in CORRECTIONS:
        admin.correct_bar(
            correction.ticker, correction.session, published_at=correction.published_at, **correction.values
        )


def reported(execution_date: date, split_from: int, split_to: int) -> dict[str, Any]:
    """A split as the vendor lists it."""
    return {"execution_date": execution_date, "split_from": split_from, "split_to": split_to}


@dataclass(slots=True)
class Errands:
    """What is done on a day before its run. ``follow`` adds stocks by their tickers."""

    admin: SimulatorAdmin
    follow: Callable[..., None]
    key: str
    done: date = FIRST_DAY

    def of(self, day: date) -> None:
        """Yesterday's faults end; then the errands of the days since the last run up to this one."""
        self.admin.clear_faults()
        self.admin.put_key(self.key, **self._plan(day))
        for due, errands in self._by_day().items():
            if self.done < due <= day:
                for errand in errands:
                    errand()
        self.done = day

    def _plan(self, day: date) -> dict[str, Any]:
        delay = None if day < PUBLISHED_ON_THE_EVENING_FROM else 15
        return {
            "like": "demo-polygon-basic", "requests_per_minute": None, "history_days": HISTORY_DAYS,
            "delay_minutes": delay,
        }  # fmt: skip

    def _by_day(self) -> dict[date, list[Callable[[], object]]]:
        fault = self.admin.add_fault
        return {
            date(2025, 9, 5): [lambda: self.follow(REUSED)],  # after a run saw that the ticker is another company's
            date(2025, 10, 3): [lambda: self.follow("NEWA")],
            date(2026, 8, 31): [lambda: fault("status", status=429, after=2, times=3)],
            date(2026, 9, 2): [lambda: fault("status", status=503, probability=0.3)],
            date(2026, 9, 4): [lambda: fault("truncate", match="/v2/aggs/", times=1)],
            date(2026, 9, 8): [lambda: fault("cut_json", vendor="massive", probability=0.5)],
            date(2026, 9, 11): [lambda: self.admin.remove_key(self.key)],
            date(2026, 9, 17): [lambda: fault("html", vendor="coingecko")],
            date(2026, 9, 25): [lambda: fault("drop_rows", match="/grouped/", keep=3)],
            date(2026, 9, 28): [lambda: fault("status", status=500, match="/v2/aggs/")],
            date(2026, 10, 7): [lambda: self.admin.add_split("KO", date(2026, 9, 30), 1, 2)],
            date(2026, 10, 19): [lambda: self.follow("CRM")],
            date(2026, 10, 20): [lambda: self.admin.add_split("PEP", date(2026, 10, 14), 1, 3)],
            date(2026, 10, 26): [lambda: fault("duplicates", match="/v2/aggs/", times=2),
                                 lambda: fault("disorder", match="/v2/aggs/")],
            date(2026, 11, 4): [lambda: fault("null_field", match="/grouped/", field="c", row=5)],
            date(2026, 11, 10): [lambda: self.follow("INTC")],
        }  # fmt: skip


OUTAGES = {date(2026, 9, 11), date(2026, 9, 28)}
"""Days on which no stock can be had at all."""


def companies() -> list[Company]:
    """The fifty, as they are called in the end."""
    gone = {"CRM": "SLSF", "DIS": "DSNY", RENAMED: "QZAA", "INTC": "INTC-20261030", REUSED: f"{REUSED}-20250516"}
    first = [Company(gone.get(ticker, ticker), ticker, FIRST_DAY) for ticker in first_followed()]
    later = [Company(ticker, ticker, LAST_DAY) for ticker in (REUSED, "NEWA", "CRM", "INTC")]
    return first + later


def first_followed() -> list[str]:
    """The tickers of the stocks that are followed from the first day on."""
    return [*REAL, *PLAIN, *THIN]
