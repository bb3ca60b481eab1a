"""CoinGecko's market_chart and ohlc, with their automatic granularity and its oddities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from local.simulator.clock import to_ms
from local.simulator.coin_listings import Coin
from local.simulator.coin_world import DAY_MS, HOUR_MS, MINUTE_MS, CoinWorld, day_start, listed_ms
from local.simulator.messages import (
    COINGECKO_JSON_TYPE,
    Refused,
    Request,
    Response,
    coingecko_plain_error,
    coingecko_server_error,
    coingecko_status_error,
    coingecko_time_range,
    dump,
)
from local.simulator.noise import Ints
from local.simulator.plans import Plan

CHART_READY_MS = 10 * MINUTE_MS
OHLC_READY_MS = 35 * MINUTE_MS
OHLC_FROM_MS = 1_518_134_400_000  # 2018-02-09
OHLC_DAYS = ("1", "7", "14", "30", "90", "180", "365")
PRO_ONLY = (
    "This request is limited to PRO API subscribers. Please visit https://www.coingecko.com/en/api/pricing to "
    "subscribe to our API plans to access this endpoint"
)
STEP_MS = {"5m": 5 * MINUTE_MS, "hourly": HOUR_MS, "daily": DAY_MS}
JITTER_MS = {"5m": 2 * MINUTE_MS, "hourly": 55 * MINUTE_MS, "daily": 0}
BACKWARDS_MS = 955
MAX_DAYS = {("range", "daily"): 180, ("range", "hourly"): 31, ("days", "daily"): 180, ("days", "hourly"): 90}


@dataclass(frozen=True, slots=True)
class CoinView:
    """The coins through a plan's eyes at ``now``."""

    world: CoinWorld
    plan: Plan
    now: datetime
    left_out: frozenset[str] = frozenset()

    @property
    def now_ms(self) -> int:
        return to_ms(self.now)

    @property
    def paid(self) -> bool:
        return self.plan.host == "pro"

    def refuse_before_history(self, first_ms: int) -> None:
        """10012 for a start that the plan does not reach, with a day's grace."""
        limit = self.plan.history_days
        if limit is not None and first_ms < day_start(self.now_ms) - limit * DAY_MS:
            raise coingecko_time_range(self.now)


def find_coin(request: Request, view: CoinView) -> Coin:
    """The coin of ``/coins/{id}/…``; 404 for an unknown id."""
    coin = view.world.coins.get(request.segments[1])
    if coin is None:
        raise coingecko_plain_error(404, "coin not found")
    return coin


def read_currency(request: Request, view: CoinView) -> str:
    """The one ``vs_currency``; it has no default."""
    currency = request.query.get("vs_currency")
    if not currency:
        raise coingecko_plain_error(422, "Missing parameter vs_currency")
    if not view.world.knows_currency(currency.lower()):
        raise coingecko_plain_error(400, "invalid vs_currency")
    return currency.lower()


def answer_market_chart(request: Request, view: CoinView) -> Response:
    """The last ``days`` days. The last point is *now*, and for one day even lies before the point before it."""
    coin, currency = find_coin(request, view), read_currency(request, view)
    days = _read_days(request, view)
    interval = _interval(request, view, days)
    now = view.now_ms
    first = max(now - days * DAY_MS, listed_ms(coin))
    points = _grid(view, coin, interval, first, now)
    if interval == "daily":
        points = points[points > day_start(now) - days * DAY_MS]
    last = [now, now - BACKWARDS_MS] if interval == "5m" else [now]
    points = np.concatenate([points[points < now], np.array(last, dtype=np.int64)])
    return _chart(view, coin, currency, points, request.query.get("precision", "full"))


def answer_market_chart_range(request: Request, view: CoinView) -> Response:
    """From one instant to another, both inclusive; granularity from the span."""
    coin, currency = find_coin(request, view), read_currency(request, view)
    first, last = _read_span(request)
    view.refuse_before_history(first)
    days = (last - first) / DAY_MS
    recent = view.now_ms - first <= DAY_MS
    interval = _interval(request, view, 1 if days <= 1 and recent else max(days, 2))
    points = _grid(view, coin, interval, max(first, listed_ms(coin)), min(last, view.now_ms))
    return _chart(view, coin, currency, points, request.query.get("precision", "full"))


def _read_days(request: Request, view: CoinView) -> int:
    text = request.query.get("days")
    if text is None:
        raise coingecko_plain_error(422, "Missing parameter days")
    if text != "max" and not text.isdigit():
        raise coingecko_plain_error(422, "Invalid days parameter")
    if text == "max":
        view.refuse_before_history(0)
        return view.now_ms // DAY_MS
    if view.plan.history_days is not None and int(text) > view.plan.history_days:
        raise coingecko_time_range(view.now)
    return max(int(text), 1)


def _interval(request: Request, view: CoinView, days: float) -> str:
    """The asked interval, or what the span gives by itself: 5 minutes, hours from 2 days, days beyond 90."""
    asked = request.query.get("interval")
    if asked in ("daily", "hourly"):
        return asked
    if asked is not None:
        if asked == "5m" and view.paid:
            return "5m"
        raise coingecko_status_error(401, 10005, PRO_ONLY)
    if days <= 1:
        return "5m"
    return "hourly" if days <= 90 else "daily"


def _grid(view: CoinView, coin: Coin, interval: str, first: int, last: int) -> Ints:
    """Sample times in [first, last]: daily ones at midnight, the others off the grid by a fixed jitter."""
    step = STEP_MS[interval]
    grid = np.arange(first // step * step - step, last + step, step, dtype=np.int64)
    points = grid + view.world.jitter(coin, grid, JITTER_MS[interval])
    if interval == "daily" and view.now_ms - day_start(view.now_ms) < CHART_READY_MS:
        points = points[points < day_start(view.now_ms)]
    chosen: Ints = points[(points >= first) & (points <= last)]
    return chosen


def _chart(view: CoinView, coin: Coin, currency: str, points: Ints, precision: str) -> Response:
    if not coin.price or not len(points):
        return _json({"prices": [], "market_caps": [], "total_volumes": []})
    world = view.world
    rounded: Callable[[float], float] = float if precision == "full" else lambda price: round(price, int(precision))
    columns = {
        "prices": [rounded(price) for price in world.price(coin, points, currency).tolist()],
        "market_caps": world.market_cap(coin, points, currency).tolist(),
        "total_volumes": world.volume_24h(coin, points, currency).tolist(),
    }
    times = points.tolist()
    return _json({name: list(zip(times, values, strict=True)) for name, values in columns.items()})


def _read_span(request: Request) -> tuple[int, int]:
    query = request.query
    for name in ("from", "to"):
        if name not in query:
            raise coingecko_plain_error(422, f"Missing parameter {name}")
    first, last = (_instant_ms(query[name]) for name in ("from", "to"))
    if last < first:
        raise coingecko_plain_error(400, "from must be before to")
    return first, last


def _instant_ms(text: str) -> int:
    """UNIX seconds, or an ISO date or time in UTC."""
    try:
        return int(float(text) * 1000)
    except ValueError:
        pass
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise coingecko_plain_error(400, "Invalid date parameter") from error
    return to_ms(instant if instant.tzinfo else instant.replace(tzinfo=UTC))


def answer_ohlc(request: Request, view: CoinView) -> Response:
    """Candles of the last days, each stamped with its *end*: the newest, unfinished one lies in the future."""
    if not request.query_text:
        raise coingecko_server_error()
    coin, currency = find_coin(request, view), read_currency(request, view)
    text = request.query.get("days", "")
    if text not in OHLC_DAYS and not (text == "max" and view.paid):
        raise _time_range_or_invalid(text, view)
    days = view.now_ms // DAY_MS if text == "max" else int(text)
    asked = request.query.get("interval")
    if asked and not view.paid:
        raise coingecko_status_error(401, 10005, PRO_ONLY)
    step = _candle_step(asked, days, "days")
    first = view.now_ms - days * DAY_MS
    return _candles(view, coin, currency, first, view.now_ms, step)


def _time_range_or_invalid(text: str, view: CoinView) -> Refused:
    beyond = text == "max" or (text.isdigit() and int(text) > (view.plan.history_days or 10**6))
    return coingecko_time_range(view.now) if beyond else coingecko_plain_error(422, "Invalid days parameter")


def answer_ohlc_range(request: Request, view: CoinView) -> Response:
    """Daily or hourly candles between two instants; paid plans only, at most 180 days or 31 days a call."""
    if not view.paid:
        raise coingecko_status_error(401, 10005, PRO_ONLY)
    coin, currency = find_coin(request, view), read_currency(request, view)
    first, last = _read_span(request)
    interval = request.query.get("interval", "")
    if interval not in ("daily", "hourly"):
        raise coingecko_plain_error(422, "Missing parameter interval")
    step = _candle_step(interval, (last - first) / DAY_MS, "range")
    return _candles(view, coin, currency, max(first, OHLC_FROM_MS), min(last, view.now_ms), step)


def _candle_step(interval: str | None, days: float, form: str) -> int:
    if interval is None:
        return 30 * MINUTE_MS if days <= 1 else 4 * HOUR_MS if days <= 30 else 4 * DAY_MS
    if (form, interval) not in MAX_DAYS:
        raise coingecko_plain_error(422, "Invalid interval parameter")
    if days > MAX_DAYS[form, interval]:
        raise coingecko_plain_error(422, f"Exceeded maximum of {MAX_DAYS[form, interval]} days for {interval} interval")
    return STEP_MS[interval]


def _candles(view: CoinView, coin: Coin, currency: str, first: int, last: int, step: int) -> Response:
    """Candles that end after ``first`` and begin up to ``last``; a coin's first candle begins with its listing."""
    starts = np.arange(max(first, listed_ms(coin)) // step * step, last + 1, step, dtype=np.int64)
    if step == DAY_MS and view.now_ms - day_start(view.now_ms) < OHLC_READY_MS:
        starts = starts[starts < day_start(view.now_ms) - DAY_MS]
    if not coin.price or not len(starts):
        return _json([])
    samples = starts[:, None] + np.linspace(0, step, 25, dtype=np.int64)[None, :]
    samples = np.minimum(samples, view.now_ms)
    prices = view.world.price(coin, samples.reshape(-1), currency).reshape(samples.shape)
    digits = 2 if prices.max() >= 10 else 8
    prices = np.round(prices, digits)
    rows = zip(
        (starts + step).tolist(),
        prices[:, 0].tolist(),
        prices.max(axis=1).tolist(),
        prices.min(axis=1).tolist(),
        prices[:, -1].tolist(),
        strict=True,
    )
    return _json(list(rows))


def _json(payload: object) -> Response:
    return Response(200, dump(payload), COINGECKO_JSON_TYPE, {"Cache-Control": "max-age=30, public, must-revalidate"})
