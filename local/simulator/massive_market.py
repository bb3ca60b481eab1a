"""Massive's market status: now, and the holidays to come."""

from __future__ import annotations

from datetime import date, timedelta

from local.simulator.clock import iso_ms, to_ms
from local.simulator.massive_days import DayView
from local.simulator.messages import JsonObject, Request, Response, dump
from local.simulator.trading_days import (
    NEW_YORK,
    PRE_MARKET,
    is_early_close,
    late_end_ms,
    new_york_ms,
)
from marketdata.domain.sessions import is_session, session_close, session_open

EXCHANGES = ("NYSE", "NASDAQ", "OTC")
LOOK_AHEAD = timedelta(days=365)
HOLIDAYS = {
    1: "New Years Day", 2: "Washington's Birthday", 3: "Good Friday", 4: "Good Friday", 5: "Memorial Day",
    6: "Juneteenth", 7: "Independence Day", 9: "Labor Day", 11: "Thanksgiving", 12: "Christmas",
}  # fmt: skip


def trading_phase(view: DayView) -> str:
    """``open``, ``early_trading``, ``late_trading`` or ``closed`` at the vendor's present instant."""
    day, now = view.today, to_ms(view.now)
    if not is_session(day) or not new_york_ms(day, PRE_MARKET) <= now < late_end_ms(day):
        return "closed"
    if now < to_ms(session_open(day)):
        return "early_trading"
    return "open" if now < to_ms(session_close(day)) else "late_trading"


def answer_status_now(_request: Request, view: DayView) -> Response:
    """``/v1/marketstatus/now``: the one object without a ``status`` field."""
    phase = trading_phase(view)
    market = phase if phase in ("open", "closed") else "extended-hours"
    here = view.now.astimezone(NEW_YORK)
    weekend = (here.weekday(), here.hour) >= (4, 17) and (here.weekday(), here.hour) < (6, 17)
    return Response(
        200,
        dump(
            {
                "market": market,
                "earlyHours": phase == "early_trading",
                "afterHours": phase == "late_trading",
                "serverTime": here.isoformat(timespec="seconds"),
                "exchanges": {name.lower(): market for name in EXCHANGES},
                "currencies": {"fx": "closed" if weekend else "open", "crypto": "open"},
            }
        ),
    )


def answer_status_upcoming(_request: Request, view: DayView) -> Response:
    """``/v1/marketstatus/upcoming``: a bare array, one row an exchange, from today on."""
    days = (view.today + timedelta(days=ahead) for ahead in range(LOOK_AHEAD.days))
    return Response(200, dump([row for day in days if day.weekday() < 5 for row in _closures(day)]))


def _closures(day: date) -> list[JsonObject]:
    """Rows for a holiday or an early close; none for an ordinary weekday."""
    if not is_session(day):
        facts: JsonObject = {"status": "closed"}
    elif is_early_close(day):
        facts = {
            "status": "early-close",
            "open": iso_ms(session_open(day)),
            "close": iso_ms(session_close(day)),
        }
    else:
        return []
    return [{"date": day.isoformat(), "exchange": name, "name": _name(day), **facts} for name in EXCHANGES]


def _name(day: date) -> str:
    if day.month == 1 and day.day > 14:
        return "Martin Luther King, Jr. Day"
    if day.month == 1 and day.day > 2:
        return "National Day of Mourning"
    return HOLIDAYS.get(day.month, "Market Closure")
