"""What a plan lets a caller see of the world at an instant: which days, how late, and how much of today."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cached_property

import numpy as np

from local.simulator.clock import to_ms
from local.simulator.messages import UPGRADE, Request, massive_error
from local.simulator.minutes import PRE_MINUTES, evening_volume, minute_bars
from local.simulator.noise import Ints
from local.simulator.plans import Plan
from local.simulator.series import Series, mean_price
from local.simulator.stocks import Bars, StockWorld, adjusted
from local.simulator.trading_days import (
    PRE_MARKET,
    late_end_ms,
    new_york_ms,
    ordinal,
    ordinals,
    previous_session,
    regular_minutes,
    session_at,
)
from marketdata.domain.sessions import is_session, new_york_date, session_close, session_open

MINUTE_MS = 60_000
NOT_ENTITLED = f"You are not entitled to this data. {UPGRADE}"
CHUNK = 400


@dataclass(frozen=True)
class DayView:
    """The world through a plan's eyes at ``now``."""

    world: StockWorld
    plan: Plan
    now: datetime
    left_out: frozenset[str] = frozenset()
    _drawn: dict[tuple[bytes, date], Bars] = field(default_factory=dict, compare=False)

    @cached_property
    def today(self) -> date:
        return new_york_date(self.now)

    @cached_property
    def seen_until(self) -> int:
        """Trades up to this instant (milliseconds) are visible."""
        return to_ms(self.now) - (self.plan.delay_minutes or 0) * MINUTE_MS

    def published(self, day: date) -> bool:
        """Whether an end-of-day plan may have ``day`` already; other plans see each day as it goes."""
        if self.plan.delay_minutes is not None or day < self.today:
            return day <= self.today
        return day == self.today and to_ms(self.now) >= new_york_ms(day, time.fromisoformat(self.plan.published_at))

    def visible(self, day: date) -> bool:
        """Whether ``day`` is a session with a daily bar to see: its first regular minute is over."""
        if not is_session(day) or not self.published(day):
            return False
        return self.plan.delay_minutes is None or self.seen_until >= to_ms(session_open(day)) + MINUTE_MS

    def visible_minutes(self, day: date) -> bool:
        """Whether any minute of the session, pre-market included, is over and published."""
        return self._minutes_until(day) > new_york_ms(day, PRE_MARKET)

    @cached_property
    def newest_session(self) -> date:
        """The newest session that this plan sees, complete or not."""
        day = session_at(ordinal(self.today))
        return day if self.visible(day) else previous_session(day)

    @cached_property
    def newest_final(self) -> date:
        """The newest session whose regular trading this plan sees in full."""
        day = self.newest_session
        if self.plan.delay_minutes is None or self.seen_until >= to_ms(session_close(day)):
            return day
        return previous_session(day)

    def refuse_denied(self, ticker: str, request: Request) -> None:
        """403 for a symbol outside the plan."""
        if ticker in self.plan.denied_symbols:
            raise massive_error(403, NOT_ENTITLED, request.request_id)

    def refuse_without(self, capability: str, request: Request) -> None:
        """403 for an endpoint outside the plan."""
        if capability not in self.plan.capabilities:
            raise massive_error(403, NOT_ENTITLED, request.request_id)

    def daily(self, rows: Ints, sessions: Ints) -> Bars:
        """Raw daily bars as visible now: the running session's bar holds only the trades so far."""
        bars = self.world.daily(rows, sessions, self.now)
        for at in np.flatnonzero(sessions >= ordinal(self.today)).tolist():
            day = session_at(int(sessions[at]))
            if not self.visible(day):
                bars.present[:, at] = False
            elif self.plan.delay_minutes is not None and self.seen_until < late_end_ms(day):
                self._leave_out_the_future(bars, rows, at, day)
        return bars

    def _leave_out_the_future(self, bars: Bars, rows: Ints, at: int, day: date) -> None:
        """After the close only the evening's volume is missing; before it, add up the minutes so far."""
        if self.seen_until >= to_ms(session_close(day)):
            bars.volume[:, at] = np.round(bars.volume[:, at] - evening_volume(bars.volume[:, at]), 4)
            return
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            sofar = self._so_far(rows[part], day)
            for name in ("open", "high", "low", "close", "volume", "vwap", "trades", "present"):
                getattr(bars, name)[part, at] = getattr(sofar, name)

    def _so_far(self, rows: Ints, day: date) -> Bars:
        """One bar a listing from the regular minutes that are over; its volume includes the pre-market."""
        minutes = self.all_minutes(rows, day)
        done = max((self.seen_until - new_york_ms(day, PRE_MARKET)) // MINUTE_MS, 0)
        regular = minutes[:, PRE_MINUTES : min(done, PRE_MINUTES + regular_minutes(day))]
        traded = minutes[:, :done]
        present = regular.present.any(axis=1)
        last = regular.present.shape[1] - 1 - np.argmax(regular.present[:, ::-1], axis=1)
        volume = np.round(np.where(traded.present, traded.volume, 0.0).sum(axis=1), 4)
        turnover = np.where(traded.present, traded.vwap * traded.volume, 0.0).sum(axis=1)
        return Bars(
            open=regular.open[:, 0],
            high=np.where(regular.present, regular.high, -np.inf).max(axis=1),
            low=np.where(regular.present, regular.low, np.inf).min(axis=1),
            close=regular.close[np.arange(len(rows)), last],
            volume=volume,
            vwap=np.round(mean_price(turnover, volume), 4),
            trades=np.where(traded.present, traded.trades, 0).sum(axis=1),
            present=np.asarray(present),
        )

    def all_minutes(self, rows: Ints, day: date) -> Bars:
        """The minutes of a session, seen or not; the last ones drawn are kept, for a board looks at them twice."""
        key = (rows.tobytes(), day)
        if key not in self._drawn:
            self._drawn.clear()
            self._drawn[key] = minute_bars(self.world, rows, day, self.now)
        return self._drawn[key]

    def minutes_of(self, row: int, day: date, adjust: bool) -> Series:
        """Minute bars of one listing on one session, those that are over; empty when it did not trade."""
        rows = np.array([row])
        bars = minute_bars(self.world, rows, day, self.now)
        if adjust:
            bars = adjusted(bars, self.world.roster.adjustment(rows, ordinals(day, day), self.today))
        starts = new_york_ms(day, PRE_MARKET) + np.arange(bars.present.shape[1], dtype=np.int64) * MINUTE_MS
        over = bars.present[0] & (starts + MINUTE_MS <= self._minutes_until(day))
        return Series.of(starts, bars[0]).take(over)

    def _minutes_until(self, day: date) -> int:
        if self.plan.delay_minutes is None:
            return late_end_ms(day) if self.published(day) else 0
        return min(self.seen_until, late_end_ms(day))
