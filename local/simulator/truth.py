"""What really is so in the world, by the clock, for tests to compare with: no plans, no slips of the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from local.simulator.clock import to_ms
from local.simulator.coin_world import DAY_MS, CoinWorld
from local.simulator.coingecko_charts import CHART_READY_MS
from local.simulator.dividends import declared_dividends
from local.simulator.messages import JsonObject
from local.simulator.stocks import StockWorld
from local.simulator.trading_days import late_end_ms, ordinals, session_at
from marketdata.domain.sessions import new_york_date

EPOCH = date(1970, 1, 1).toordinal()
ONE_DAY = timedelta(days=1)
COLUMNS = ("open", "high", "low", "close", "volume", "vwap", "trades")


@dataclass(frozen=True, slots=True)
class Truth:
    """The worlds as they are known at ``now``."""

    stocks: StockWorld
    coins: CoinWorld
    now: datetime

    @property
    def today(self) -> date:
        return new_york_date(self.now)

    def company(self, ticker: str, on: date | None) -> str:
        """Who has the ticker on a day (today), or had it last before; LookupError when nobody ever had."""
        day = on or self.today
        row = self.stocks.universe.last_row(ticker, day)
        if row is None:
            raise LookupError(f"nobody has or had the ticker {ticker} on {day}")
        return self.stocks.listing(row).company

    def daily(self, ticker: str, first: date, last: date, on: date | None) -> list[JsonObject]:
        """Raw daily bars of a company under all its tickers, oldest first: sessions whose trading is over by now."""
        days = ordinals(first, min(last, self.today))
        if days.size and late_end_ms(session_at(int(days[-1]))) > to_ms(self.now):
            days = days[:-1]
        rows = np.array(self.stocks.company_rows(self.company(ticker, on)))
        bars = self.stocks.daily(rows, days, self.now)
        row, at = np.nonzero(bars.present)
        order = np.argsort(at, kind="stable")
        bars, at = bars[row[order], at[order]], at[order]
        columns = [getattr(bars, name).tolist() for name in COLUMNS]
        sessions = [session_at(session).isoformat() for session in days[at].tolist()]
        return [
            {"session": session, **dict(zip(COLUMNS, values, strict=True))}
            for session, *values in zip(sessions, *columns, strict=True)
        ]

    def coin(self, coin_id: str, first: date, last: date) -> list[JsonObject]:
        """Closes of a coin's UTC days, oldest first, and the turnover of the 24 hours before each.

        A close is the price at the midnight after the day, so the first one is of the day before the listing.
        """
        if coin_id not in self.coins.coins:
            raise LookupError(f"unknown coin {coin_id}")
        coin = self.coins.coins[coin_id]
        days = np.arange(max(first, coin.listed_on - ONE_DAY).toordinal(), last.toordinal() + 1, dtype=np.int64)
        ends = (days - EPOCH + 1) * DAY_MS
        over = ends + CHART_READY_MS <= to_ms(self.now)
        days, ends = days[over], ends[over]
        if not coin.price or not ends.size:
            return []
        closes, volumes = self.coins.price(coin, ends).tolist(), self.coins.volume_24h(coin, ends).tolist()
        return [
            {"session": date.fromordinal(day).isoformat(), "close": close, "volume_24h": volume}
            for day, close, volume in zip(days.tolist(), closes, volumes, strict=True)
        ]

    def splits(self, ticker: str, on: date | None) -> list[JsonObject]:
        """The company's splits executed up to today, oldest first."""
        return [
            {
                "execution_date": split.execution_date.isoformat(),
                "split_from": split.split_from,
                "split_to": split.split_to,
            }
            for split in self.stocks.roster.splits.get(self.company(ticker, on), [])
            if split.execution_date <= self.today
        ]

    def dividends(self, ticker: str, on: date | None) -> list[JsonObject]:
        """The company's dividends whose ex-date has come, oldest first."""
        company = self.company(ticker, on)
        return [
            {
                "ex_date": dividend.ex_date.isoformat(),
                "cash_amount": dividend.cash_amount,
                "currency": dividend.currency,
                "declared_on": dividend.declared_on.isoformat(),
                "record_date": dividend.record_date.isoformat(),
                "pay_date": dividend.pay_date.isoformat(),
                "frequency": dividend.frequency,
                "kind": dividend.kind,
            }
            for dividend in declared_dividends(self.stocks, [company], self.today)[company]
            if dividend.ex_date <= self.today
        ]
