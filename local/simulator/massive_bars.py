"""Massive's aggregates: a ticker over a range, the whole market on a day, the previous close, open and close."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date, time, timedelta
from urllib.parse import parse_qsl, quote, urlencode

import numpy as np

from local.simulator.clock import from_ms
from local.simulator.massive_days import MINUTE_MS, DayView
from local.simulator.messages import Request, Response, dump, massive_error, number, plain
from local.simulator.noise import Ints
from local.simulator.series import Series
from local.simulator.stocks import Bars, adjusted
from local.simulator.trading_days import midnights, new_york_ms, ordinals
from marketdata.domain.sessions import is_session, new_york_date, sessions

DEFAULT_LIMIT = 5_000
MAX_LIMIT = 50_000
FEW_TRADES = 20  # thin shares, whose grouped rows have neither vwap nor trade count
MINUTES_OF = {"minute": 1, "hour": 60}
TIMESPANS = ("minute", "hour", "day", "week", "month", "quarter", "year")
TIMEFRAME = "Your plan doesn't include this data timeframe. Please upgrade your plan at https://massive.com/pricing"
TODAY_TOO_EARLY = (
    "Attempted to request today's data before end of day. Please upgrade your plan at https://massive.com/pricing"
)


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """A range request, read and checked. ``first`` and ``last`` are milliseconds, inclusive."""

    ticker: str
    multiplier: int
    timespan: str
    first: int
    last: int
    adjusted: bool
    descending: bool
    limit: int


def read_range(request: Request) -> RangeQuery:
    """``/v2/aggs/ticker/{ticker}/range/{multiplier}/{timespan}/{from}/{to}``, its query or its cursor."""
    _, _, _, ticker, _, multiplier, timespan, first, last = request.segments
    query = request.query
    if "cursor" in query:
        query = dict(parse_qsl(base64.urlsafe_b64decode(query["cursor"] + "==").decode()))
    if not ticker or any(not (char.isalnum() or char in ".:-") for char in ticker):
        raise massive_error(400, "Ticker was incorrectly formatted", request.request_id)
    if timespan not in TIMESPANS or not multiplier.isdigit() or int(multiplier) < 1:
        raise massive_error(400, "Could not parse the time parameters", request.request_id)
    limit = query.get("limit", str(DEFAULT_LIMIT))
    if not limit.isdigit() or int(limit) > MAX_LIMIT:
        raise massive_error(400, f"The parameter 'limit' must be at most {MAX_LIMIT}", request.request_id)
    span = _bound(first, time(0), request), _bound(last, time(23, 59, 59, 999000), request)
    if span[1] < span[0]:
        text = "The parameter 'to' cannot be a time that occurs before 'from'"
        raise massive_error(400, text, request.request_id)
    return RangeQuery(
        ticker=ticker,
        multiplier=int(multiplier),
        timespan=timespan,
        first=span[0],
        last=span[1],
        adjusted=query.get("adjusted", "true") != "false",
        descending=query.get("sort", "asc") == "desc",
        limit=max(int(limit), 1),
    )


def _bound(text: str, at: time, request: Request) -> int:
    """A date or a millisecond bound; a date means its New York day."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        return new_york_ms(date.fromisoformat(text), at)
    except ValueError as error:
        name = "from" if at == time(0) else "to"
        raise massive_error(400, f"Could not parse the '{name}' parameter: {text}", request.request_id) from error


def answer_range(request: Request, view: DayView) -> Response:
    """Bars of one ticker. What the plan's history does not reach is left out in silence."""
    asked = read_range(request)
    view.refuse_denied(asked.ticker, request)
    first_day, last_day = new_york_date(from_ms(asked.first)), new_york_date(from_ms(asked.last))
    earliest = view.plan.earliest(view.today)
    if last_day < earliest:
        raise massive_error(403, TIMEFRAME, request.request_id)
    if first_day >= view.today and not view.published(view.today):
        raise massive_error(403, TODAY_TOO_EARLY, request.request_id)
    series = _series(asked, view, max(first_day, earliest), min(last_day, view.today))
    page, next_bound = _page(series, asked)
    next_url = _next_url(request, asked, next_bound) if next_bound is not None else None
    delayed = view.plan.delay_minutes != 0 and last_day >= view.newest_session
    return range_envelope(asked, page, next_url, request.request_id, "DELAYED" if delayed else "OK")


def _series(asked: RangeQuery, view: DayView, first: date, last: date) -> Series:
    if asked.timespan in MINUTES_OF:
        return _minute_series(asked, view, first, last)
    series = day_series(view, asked.ticker, ordinals(first, last), asked.adjusted)
    if asked.timespan != "day" or asked.multiplier != 1:
        return series.grouped_by(_bucket_starts(series.starts, asked))
    within = (series.starts >= _day_start(asked.first)) & (series.starts <= asked.last)
    return series.take(within)


def _minute_series(asked: RangeQuery, view: DayView, first: date, last: date) -> Series:
    """Minutes or hours, a little more than ``limit`` base bars of them: no need to draw years for one page."""
    step = asked.multiplier * MINUTES_OF[asked.timespan] * MINUTE_MS
    days = [day for day in sessions(first, last) if view.visible_minutes(day)]
    parts: list[Series] = []
    collected = 0
    for day in reversed(days) if asked.descending else days:
        row = view.world.row_on(asked.ticker, day)
        if row is None:
            continue
        series = view.minutes_of(row, day, asked.adjusted)
        midnight = new_york_ms(day, time(0))
        series = series.grouped_by(midnight + (series.starts - midnight) // step * step)
        series = series.take((series.starts > asked.first - step) & (series.starts <= asked.last))
        parts.append(series)
        collected += int(series.base.sum())
        if collected > asked.limit:
            break
    return Series.joined(parts)


def _day_start(ms: int) -> int:
    return new_york_ms(new_york_date(from_ms(ms)), time(0))


def _bucket_starts(starts: Ints, asked: RangeQuery) -> Ints:
    """The start of the multi-day bucket that each daily bar belongs to."""
    first = new_york_date(from_ms(asked.first))
    ends = [_bucket(new_york_date(from_ms(int(start))), first, asked) for start in starts]
    return np.array([new_york_ms(day, time(0)) for day in ends], dtype=np.int64)


def _bucket(day: date, first: date, asked: RangeQuery) -> date:
    if asked.timespan == "day":
        return first + timedelta(days=(day - first).days // asked.multiplier * asked.multiplier)
    if asked.timespan == "week":
        return day - timedelta(days=(day.weekday() + 1) % 7)
    months = {"month": 1, "quarter": 3, "year": 12}[asked.timespan]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def day_series(view: DayView, ticker: str, sessions: Ints, adjust: bool) -> Series:
    """Daily bars of a ticker, whoever had it, without the sessions that have none."""
    parts = []
    for row in view.world.rows(ticker):
        rows = np.array([row])
        bars = view.daily(rows, sessions)
        if adjust:
            bars = adjusted(bars, view.world.roster.adjustment(rows, sessions, view.today))
        parts.append(Series.of(midnights()[sessions], bars[0]).take(bars.present[0]))
    return Series.joined(parts)


def _page(series: Series, asked: RangeQuery) -> tuple[Series, int | None]:
    """The first page, cut after whole bars that hold at most ``limit`` base bars, and where the next one starts."""
    if asked.descending:
        series = series.take(slice(None, None, -1))
    within = int(np.searchsorted(np.cumsum(series.base), asked.limit, side="right"))
    size = max(within, 1)
    if size >= len(series.starts):
        return series, None
    return series.take(slice(0, size)), int(series.starts[size])


def _next_url(request: Request, asked: RangeQuery, bound: int) -> str:
    """Where the next page is: on this host, without a key, and without the prefix that a proxy might add."""
    query = {"adjusted": str(asked.adjusted).lower(), "limit": asked.limit, "sort": ("asc", "desc")[asked.descending]}
    cursor = base64.urlsafe_b64encode(urlencode(query).encode()).decode().rstrip("=")
    if asked.descending:
        first, last = str(asked.first), str(bound)
    else:
        first, last = str(bound), request.segments[8]
    ticker = quote(asked.ticker, safe="")
    path = f"/v2/aggs/ticker/{ticker}/range/{asked.multiplier}/{asked.timespan}/{first}/{last}"
    return f"http://{request.address}{path}?cursor={cursor}"


def range_envelope(
    asked: RangeQuery, page: Series, next_url: str | None, request_id: str, status: str = "OK"
) -> Response:
    """The body of a range answer; without any bar it has no ``results``."""
    count = len(page.starts)
    adjusted_word = str(asked.adjusted).lower()
    head = f'{{"ticker":{quoted(asked.ticker)},"queryCount":{int(page.base.sum())},"resultsCount":{count}'
    rows = f',"results":[{",".join(rows_text(page.bars, page.starts))}]' if count else ""
    tail = f',"status":"{status}","request_id":"{request_id}"' + (f',"count":{count}' if count else "")
    link = f',"next_url":"{next_url}"' if next_url else ""
    return Response(200, f'{head},"adjusted":{adjusted_word}{rows}{tail}{link}}}'.encode())


def quoted(text: str) -> str:
    return dump(text).decode()


def rows_text(bars: Bars, starts: Ints, tickers: list[str] | None = None) -> list[str]:
    """One JSON object a bar, in the vendor's order of keys. Bars without vwap (NaN) have neither vwap nor trades."""
    columns = [getattr(bars, name).tolist() for name in ("volume", "vwap", "open", "close", "high", "low", "trades")]
    rows = []
    for v, vw, o, c, h, l, n, t in zip(*columns, starts.tolist(), strict=True):  # noqa: E741 - the vendor's names
        mean, trades = (f'"vw":{number(vw)},', f',"n":{n}') if vw == vw else ("", "")
        rows.append(
            f'"v":{number(v)},{mean}"o":{number(o)},"c":{number(c)},"h":{number(h)},"l":{number(l)},"t":{t}{trades}}}'
        )
    if tickers is None:
        return ["{" + row for row in rows]
    return [f'{{"T":{quoted(ticker)},{row}' for ticker, row in zip(tickers, rows, strict=True)]


def answer_grouped(request: Request, view: DayView) -> Response:
    """Every ticker that traded on one day. ``t`` is the end of the session, 16:00 New York."""
    try:
        day = date.fromisoformat(request.segments[-1])
    except ValueError as error:
        raise massive_error(400, "Could not parse the date", request.request_id) from error
    if day >= view.today and not view.published(day):
        raise massive_error(403, TODAY_TOO_EARLY, request.request_id)
    if day < view.plan.earliest(view.today):
        raise massive_error(403, TIMEFRAME, request.request_id)
    adjust = request.query.get("adjusted", "true") != "false"
    rows = _grouped_rows(view, day, adjust) if is_session(day) and day <= view.today else []
    count = len(rows)
    head = f'{{"queryCount":{count},"resultsCount":{count},"adjusted":{str(adjust).lower()}'
    results = f',"results":[{",".join(rows)}]' if rows else ""
    tail = f',"status":"OK","request_id":"{request.request_id}"' + (f',"count":{count}' if count else "")
    return Response(200, f"{head}{results}{tail}}}".encode())


def _grouped_rows(view: DayView, day: date, adjust: bool) -> list[str]:
    rows, sessions = np.arange(len(view.world.universe.listings)), ordinals(day, day)
    bars = view.daily(rows, sessions)
    if adjust:
        bars = adjusted(bars, view.world.roster.adjustment(rows, sessions, view.today))
    bars = bars[:, 0]
    traded = np.flatnonzero(bars.present)
    bars = bars[traded]
    bars.vwap[bars.trades <= FEW_TRADES] = np.nan
    tickers = [view.world.listing(row).ticker for row in traded.tolist()]
    ends = np.full(len(traded), new_york_ms(day, time(16, 0)), dtype=np.int64)
    return rows_text(bars, ends, tickers)


def answer_previous_close(request: Request, view: DayView) -> Response:
    """The last complete session's bar of a ticker, stamped with its end."""
    ticker = request.segments[3]
    view.refuse_denied(ticker, request)
    adjust = request.query.get("adjusted", "true") != "false"
    series = day_series(view, ticker, ordinals(view.newest_final - timedelta(days=14), view.newest_final), adjust)
    last = series.take(slice(-1, None))
    ends = np.array([_session_end(start) for start in last.starts], dtype=np.int64)
    rows = rows_text(last.bars, ends, [ticker] * len(ends))
    count = len(rows)
    head = f'{{"ticker":{quoted(ticker)},"queryCount":{count},"resultsCount":{count}'
    results = f',"results":[{",".join(rows)}]' if rows else ""
    tail = f',"status":"OK","request_id":"{request.request_id}"' + (f',"count":{count}' if count else "")
    return Response(200, f'{head},"adjusted":{str(adjust).lower()}{results}{tail}}}'.encode())


def _session_end(start: int) -> int:
    return new_york_ms(new_york_date(from_ms(int(start))), time(16, 0))


def answer_open_close(request: Request, view: DayView) -> Response:
    """``/v1/open-close/{ticker}/{date}``; 404 when there is no bar."""
    _, _, ticker, day_text = request.segments
    if not ticker:
        raise massive_error(400, "Ticker was incorrectly formatted", request.request_id)
    day = date.fromisoformat(day_text)
    adjust = request.query.get("adjusted", "true") != "false"
    series = day_series(view, ticker, ordinals(day, min(day, view.today)), adjust)
    if not len(series.starts):
        raise massive_error(404, "Data not found.", request.request_id)
    bar = {name: float(getattr(series.bars, name)[0]) for name in ("open", "high", "low", "close", "volume")}
    outside = {"afterHours": bar["close"], "preMarket": bar["open"]}
    values = {name: plain(value) for name, value in {**bar, **outside}.items()}
    return Response(200, dump({"status": "OK", "from": day_text, "symbol": ticker, **values}))
