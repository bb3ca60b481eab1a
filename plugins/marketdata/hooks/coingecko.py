"""CoinGeckoHook: daily closes and candles of coins in US dollars, which coins there are, and CoinGeckoPrices."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import msgspec

from marketdata import settings
from marketdata.domain.bars import DailyBars
from marketdata.domain.candles import candle_pieces
from marketdata.domain.coin_bars import join_candles
from marketdata.domain.sessions import settled_through
from marketdata.errors import NotEntitled, RateLimited, VendorError
from marketdata.hooks.answer import Answer
from marketdata.hooks.coingecko_bars import Candle, Chart, candles_of, closes_of
from marketdata.hooks.coingecko_prices import CoinGeckoPrices
from marketdata.hooks.forms import Form
from marketdata.hooks.http import Exchange
from marketdata.hooks.paths import segment

CHART = "/coins/{id}/market_chart"
CANDLES = "/coins/{id}/ohlc/range"
LIST = "/coins/list"
PING = "/ping"
KEY = "/key"

_ONE_DAY = timedelta(days=1)


class Coin(NamedTuple):
    """A coin as the vendor lists it: ``coin_id`` is unique, ``symbol`` (small letters) is shared by many."""

    coin_id: str
    symbol: str
    name: str


class _Listed(msgspec.Struct):
    id: str
    symbol: str
    name: str


class _Ping(msgspec.Struct):
    gecko_says: str


class _Key(msgspec.Struct):
    plan: str
    rate_limit_request_per_minute: int
    monthly_call_credit: int
    current_remaining_monthly_calls: int


_chart = Form(Chart, judged=True)
_candles = Form(list[Candle], judged=True)
_listed = Form(list[_Listed])
_ping = Form(_Ping)
_key = Form(_Key)


class CoinGeckoHook(CoinGeckoPrices):
    """Calls of one CoinGecko account: see VendorHook for what its methods raise and need."""

    conn_type = "coingecko"
    default_conn_name = "coingecko_default"
    hook_name = "CoinGecko"

    def daily_closes(self, coin_id: str, first: date, last: date, *, now: datetime | None = None) -> Answer[DailyBars]:
        """Closes of the UTC days ``first`` to ``last``, both inclusive, in the vendor's order; no open, high or low.

        GET /coins/{id}/market_chart with days and interval=daily. The price at 00:00:00.000Z is the close of the day
        before; any other point (the last one is the price of this moment) is left out. ``volume_24h`` is the rolling
        volume at that instant. ``now`` (the clock's by default) anchors ``days``, which the vendor counts back from
        the present. One call gives any window: the range form takes no interval on free plans and turns hourly below
        90 days, so it is not used. A window older than the plan's history is clipped: see ``clipped_to``.
        """
        today = (now or settings.now()).astimezone(UTC).date()
        exchange = self.get_conn().exchange(f"{coin_id} {first} to {last}", CHART)
        reached = self._within_plan(first, today)
        bars = closes_of(self._chart_since(exchange, coin_id, reached, today), coin_id, first, last)
        return exchange.answer(bars, clipped_to=reached if reached > first else None)

    def daily_bars(self, coin_id: str, first: date, last: date, *, now: datetime | None = None) -> Answer[DailyBars]:
        """Candles with the rolling volume of the UTC days ``first`` to ``last``, both inclusive, in no order.

        GET /coins/{id}/ohlc/range with interval=daily, at most 180 days a request, newest first; then one GET
        /coins/{id}/market_chart for all volumes, and for the closes of days without a candle, such as those before
        2018-02-09. A candle bears the time of its end, so 00:00Z belongs to the day before; the unfinished one, stamped
        in the future, is left out. Paid plans only, else NotEntitled after one request. Where the plan refuses older
        candles, what it gives is the answer: see ``clipped_to``.
        """
        seen_at = now or settings.now()
        today = seen_at.astimezone(UTC).date()
        exchange = self.get_conn().exchange(f"{coin_id} {first} to {last}", CANDLES)
        reached, raw = _ask_candles(exchange, coin_id, self._within_plan(first, today), last)
        closes = closes_of(self._chart_since(exchange, coin_id, reached, today), coin_id, reached, last)
        candles = candles_of(raw, coin_id, reached, last, seen_at)
        bars = join_candles(candles, closes, settled_through=settled_through("crypto", seen_at))
        return exchange.answer(bars, clipped_to=reached if reached > first else None)

    def coins(self) -> Answer[tuple[Coin, ...]]:
        """Every coin that the vendor follows, in its order.

        GET /coins/list, about 1 MB, on one page.
        """
        exchange = self.get_conn().exchange("list of coins", LIST)
        listed = exchange.get(LIST, {"include_platform": "false", "status": "active"}, _listed)
        return exchange.answer(tuple(Coin(coin.id, coin.symbol.lower(), coin.name) for coin in listed))

    def test_connection(self) -> tuple[bool, str]:
        """Whether the key works, and in words what the plan gives: credits, history, daily candles."""
        try:
            connection = self.connection
            self.get_conn().exchange("connection test, key", PING).get(PING, {}, _ping)
            facts = [self._credits() if connection.is_paid else f"plan {connection.plan}"]
            facts.append(f"{connection.requests_per_minute} calls a minute are used at most")
            facts.append(f"history: {connection.history_days} days" if connection.history_days else "history: all")
            facts.append(f"daily candles: {self._candles()}")
        except VendorError as error:
            return False, str(error)
        return True, "; ".join(facts)

    def _within_plan(self, first: date, today: date) -> date:
        """``first``, or the first day that the plan's history is known to reach where that is later."""
        history = self.connection.history_days
        return first if history is None else max(first, today - timedelta(days=history))

    def _chart_since(self, exchange: Exchange, coin_id: str, first: date, today: date) -> Chart:
        # The vendor counts today's 00:00Z, yesterday's close, as the first day back; one day more does no harm.
        days = max(1, (today - first).days) + 1
        params = {
            "vs_currency": "usd",
            "days": str(min(days, self.connection.history_days or days)),
            "interval": "daily",
            "precision": "full",
        }
        chart = exchange.get(CHART.format(id=segment(coin_id)), params, _chart)
        if exchange.dated is not None and exchange.dated.date() > today + _ONE_DAY:
            exchange.broken(f"the vendor's clock says {exchange.dated.date()}, and it counts days back from there")
        return chart

    def _credits(self) -> str:
        key = self.get_conn().exchange("connection test, credits", KEY).get(KEY, {}, _key)
        return (
            f"plan {key.plan}, {key.rate_limit_request_per_minute} calls a minute allowed,"
            f" {key.current_remaining_monthly_calls:,} of {key.monthly_call_credit:,} credits left this month"
        )

    def _candles(self) -> str:
        yesterday = settings.now().date() - _ONE_DAY
        try:
            exchange = self.get_conn().exchange("connection test, candles", CANDLES)
            _ask_candles(exchange, "bitcoin", yesterday, yesterday)
        except NotEntitled:
            return "not in the plan"
        except RateLimited:
            return "not asked, the quota is used up"
        return "yes"


def _ask_candles(exchange: Exchange, coin_id: str, first: date, last: date) -> tuple[date, list[Candle]]:
    """Candles of a window, asked for from its end backwards, and the day from which on they are all that there are.

    That is ``first``, or a later day where the plan's history ends in between. NotEntitled where it has none at all.
    """
    path = CANDLES.format(id=segment(coin_id))
    candles: list[Candle] = []
    reached = None
    for piece in reversed(list(candle_pieces(first, last))):
        until = (piece.last + _ONE_DAY).isoformat()
        params = {"vs_currency": "usd", "from": piece.first.isoformat(), "to": until, "interval": "daily"}
        try:
            given = exchange.get(path, params, _candles)
        except NotEntitled as error:
            if error.scope != "history" or reached is None:
                raise
            return reached, candles
        candles += given
        reached = piece.first
    return first, candles
