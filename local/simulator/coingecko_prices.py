"""CoinGecko's lists and present prices: ping, key, simple/price, coins/list, coins/markets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from local.simulator.clock import from_ms, iso_ms
from local.simulator.coin_listings import Coin
from local.simulator.coin_world import COIN_RATES, DAY_MS, FIXED_RATES, HOUR_MS
from local.simulator.coingecko_charts import PRO_ONLY, CoinView, read_currency
from local.simulator.messages import (
    COINGECKO_JSON_TYPE,
    JsonObject,
    Request,
    Response,
    coingecko_plain_error,
    coingecko_status_error,
    dump,
)

MAX_PER_PAGE = 250
UPDATED_EVERY_MS = 60_000
AGES_MS = {
    "1h": HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS, "14d": 14 * DAY_MS,
    "30d": 30 * DAY_MS, "200d": 200 * DAY_MS, "1y": 365 * DAY_MS,
}  # fmt: skip


def _json(payload: object, max_age: int) -> Response:
    cache = f"max-age={max_age}, public, must-revalidate, s-maxage={2 * max_age}"
    return Response(200, dump(payload), COINGECKO_JSON_TYPE, {"Cache-Control": cache})


def answer_ping(_request: Request, _view: CoinView) -> Response:
    return _json({"gecko_says": "(V3) To the Moon!"}, 30)


def answer_key(view: CoinView, credits_used: int) -> Response:
    """What the key may do and has used; paid plans only."""
    if not view.paid:
        raise coingecko_status_error(401, 10005, PRO_ONLY)
    plan = view.plan
    rate, credit = plan.requests_per_minute or 0, plan.monthly_credits or 0
    return _json(
        {
            "plan": plan.name.capitalize(),
            "rate_limit_request_per_minute": rate,
            "monthly_call_credit": credit,
            "current_total_monthly_calls": credits_used,
            "current_remaining_monthly_calls": max(credit - credits_used, 0),
            "api_key_rate_limit_request_per_minute": rate,
            "api_key_monthly_call_credit": credit,
            "api_key_current_total_monthly_calls": credits_used,
        },
        0,
    )


def answer_currencies(_request: Request, _view: CoinView) -> Response:
    return _json([*COIN_RATES, *FIXED_RATES], 30)


def answer_list(request: Request, view: CoinView) -> Response:
    """Every coin by its id, on one page: the first one with a symbol need not be the one that is meant."""
    alive = request.query.get("status", "active") == "active"
    platforms: JsonObject = {"platforms": {}} if request.query.get("include_platform") == "true" else {}
    coins = sorted(view.world.coins.values(), key=lambda coin: coin.coin_id)
    coins = [coin for coin in coins if bool(coin.price) == alive or not coin.price]
    chosen = coins if alive else [coin for coin in coins if not coin.price]
    return _json([{"id": c.coin_id, "symbol": c.symbol, "name": c.name, **platforms} for c in chosen], 1800)


def _chosen(request: Request, view: CoinView) -> list[Coin]:
    """The coins asked for by id, name or symbol, in this priority; unknown ones are left out in silence.

    Of the coins that share a symbol only the largest is meant, unless ``include_tokens`` says ``all``.
    """
    coins = [coin for coin in view.world.coins.values() if coin.coin_id not in view.left_out]
    for parameter, field in (("ids", "coin_id"), ("names", "name"), ("symbols", "symbol")):
        if text := request.query.get(parameter):
            wanted = {word.strip().lower() for word in text.split(",")}
            found = [coin for coin in coins if str(getattr(coin, field)).lower() in wanted]
            return _largest(found) if field == "symbol" and request.query.get("include_tokens") != "all" else found
    return []


def _largest(coins: Iterable[Coin]) -> list[Coin]:
    """One coin a symbol: the one with the largest market cap."""
    by_size = sorted(coins, key=lambda coin: coin.price * coin.supply)
    return list({coin.symbol: coin for coin in by_size}.values())


def answer_simple_price(request: Request, view: CoinView) -> Response:
    """Prices by coin id; a dead coin is ``{}``."""
    query = request.query
    currencies = [word.strip().lower() for word in query.get("vs_currencies", "").split(",") if word.strip()]
    if not currencies:
        raise coingecko_plain_error(422, "Missing parameter vs_currencies")
    if not any(query.get(name) for name in ("ids", "names", "symbols")):
        raise coingecko_plain_error(422, "Missing parameter ids")
    chosen = _chosen(request, view)
    rows: dict[str, JsonObject] = {coin.coin_id: {} for coin in chosen}
    living = [coin for coin in chosen if coin.price]
    for currency in currencies if living else ():
        if view.world.knows_currency(currency):
            _add_currency(request, view, living, currency, rows)
    if query.get("include_last_updated_at") == "true":
        for coin in living:
            rows[coin.coin_id]["last_updated_at"] = _updated_ms(view) // 1000
    return _json(rows, 30)


def _add_currency(
    request: Request, view: CoinView, coins: Sequence[Coin], currency: str, rows: dict[str, JsonObject]
) -> None:
    """The coins' figures in one currency, all coins at once."""
    query, world = request.query, view.world
    at = np.array([_updated_ms(view) - DAY_MS, _updated_ms(view)], dtype=np.int64)
    prices = world.prices(coins, at, currency)
    volumes = world.volumes_24h(coins, at, currency)[:, 1].tolist()
    for coin, (before, price), volume in zip(coins, prices.tolist(), volumes, strict=True):
        row = rows[coin.coin_id]
        row[currency] = _rounded(price, query.get("precision"))
        if query.get("include_market_cap") == "true":
            row[f"{currency}_market_cap"] = price * coin.supply
        if query.get("include_24hr_vol") == "true":
            row[f"{currency}_24h_vol"] = volume
        if query.get("include_24hr_change") == "true":
            row[f"{currency}_24h_change"] = (price / before - 1) * 100


def _updated_ms(view: CoinView) -> int:
    return view.now_ms // UPDATED_EVERY_MS * UPDATED_EVERY_MS


def _rounded(price: float, precision: str | None) -> int | float:
    """Without ``precision`` large prices are whole numbers and small ones have a few digits."""
    if precision == "full":
        return price
    if precision is not None:
        return round(price, int(precision))
    return round(price) if price >= 10_000 else round(price, 2) if price >= 1 else float(f"{price:.6g}")


def answer_markets(request: Request, view: CoinView) -> Response:
    """A page of coins with their figures; ``per_page`` is 100 unless asked otherwise, even with ``ids``."""
    query = request.query
    currency = read_currency(request, view)
    asked_for = any(query.get(name) for name in ("ids", "names", "symbols"))
    coins = _chosen(request, view) if asked_for else list(view.world.coins.values())
    ranked = sorted(view.world.coins.values(), key=lambda coin: -coin.price * coin.supply)
    rank = {coin.coin_id: place for place, coin in enumerate(ranked, start=1)}
    order = query.get("order", "market_cap_desc")
    if order.startswith("id_"):
        coins.sort(key=lambda coin: coin.coin_id, reverse=order.endswith("desc"))
    elif order.startswith("volume_"):
        coins.sort(key=lambda coin: coin.volume, reverse=order.endswith("desc"))
    else:
        coins.sort(key=lambda coin: rank[coin.coin_id], reverse=order.endswith("asc"))
    size = min(max(int(query.get("per_page", "100")), 1), MAX_PER_PAGE)
    start = (max(int(query.get("page", "1")), 1) - 1) * size
    return _json(
        [_market_row(request, view, coin, currency, rank[coin.coin_id]) for coin in coins[start : start + size]], 45
    )


def _market_row(request: Request, view: CoinView, coin: Coin, currency: str, rank: int) -> JsonObject:
    updated = _updated_ms(view)
    row: JsonObject = {
        "id": coin.coin_id,
        "symbol": coin.symbol,
        "name": coin.name,
        "image": f"https://coin-images.coingecko.com/coins/images/{coin.key % 40_000}/large/{coin.coin_id}.png",
    }
    if not coin.price:
        return {**row, **dict.fromkeys(_FIGURES), "circulating_supply": 0.0, "last_updated": iso_ms(view.now)}
    return {**row, **_figures(view, coin, currency, updated, rank), **_changes(request, view, coin, currency, updated)}


_FIGURES = (
    "current_price", "market_cap", "market_cap_rank", "fully_diluted_valuation", "total_volume", "high_24h", "low_24h",
    "price_change_24h", "price_change_percentage_24h", "market_cap_change_24h", "market_cap_change_percentage_24h",
    "circulating_supply", "total_supply", "max_supply", "ath", "ath_change_percentage", "ath_date", "atl",
    "atl_change_percentage", "atl_date", "roi",
)  # fmt: skip


def _figures(view: CoinView, coin: Coin, currency: str, updated: int, rank: int) -> JsonObject:
    world = view.world
    day = world.price(coin, np.arange(updated - DAY_MS, updated + 1, HOUR_MS, dtype=np.int64), currency)
    life = np.arange(updated - 1500 * DAY_MS, updated + 1, 5 * DAY_MS, dtype=np.int64)
    history = world.price(coin, life, currency)
    price, before = float(day[-1]), float(day[0])
    top, bottom = int(history.argmax()), int(history.argmin())
    cap, volume = price * coin.supply, float(world.volume_24h(coin, np.array([updated]), currency)[0])
    return {
        "current_price": _rounded(price, None),
        "market_cap": round(cap),
        "market_cap_rank": rank,
        "fully_diluted_valuation": round(price * (coin.max_supply or coin.supply)),
        "total_volume": round(volume),
        "high_24h": _rounded(float(day.max()), None),
        "low_24h": _rounded(float(day.min()), None),
        "price_change_24h": price - before,
        "price_change_percentage_24h": round((price / before - 1) * 100, 5),
        "market_cap_change_24h": (price - before) * coin.supply,
        "market_cap_change_percentage_24h": round((price / before - 1) * 100, 5),
        "circulating_supply": float(coin.supply),
        "total_supply": float(coin.max_supply or coin.supply),
        "max_supply": coin.max_supply,
        "ath": _rounded(float(history[top]), None),
        "ath_change_percentage": round((price / float(history[top]) - 1) * 100, 5),
        "ath_date": iso_ms(from_ms(int(life[top]))),
        "atl": _rounded(float(history[bottom]), None),
        "atl_change_percentage": round((price / float(history[bottom]) - 1) * 100, 5),
        "atl_date": iso_ms(from_ms(int(life[bottom]))),
        "roi": None,
        "last_updated": iso_ms(from_ms(updated)),
    }


def _changes(request: Request, view: CoinView, coin: Coin, currency: str, updated: int) -> JsonObject:
    """The optional columns: changes over the asked spans, and the last seven days."""
    world, row = view.world, dict[str, object]()
    if request.query.get("sparkline") == "true":
        week = np.arange(updated - 7 * DAY_MS, updated, HOUR_MS, dtype=np.int64)
        row["sparkline_in_7d"] = {"price": world.price(coin, week, currency).tolist()}
    for span in request.query.get("price_change_percentage", "").split(","):
        if span.strip() in AGES_MS:
            before, price = world.price(coin, np.array([updated - AGES_MS[span.strip()], updated]), currency).tolist()
            row[f"price_change_percentage_{span.strip()}_in_currency"] = (price / before - 1) * 100
    return row
