"""The admin routes for what happens in the world, and for the truth about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from local.simulator.actions import Dividend, ReportedSplit, Split
from local.simulator.clock import to_ms
from local.simulator.engine import Engine
from local.simulator.listings import Listing
from local.simulator.noise import key_of
from local.simulator.truth import Truth

Body = dict[str, Any]
Action = Callable[[Body], object]

DIVIDEND_DAYS = ("ex_date", "declared_on", "record_date", "pay_date")
DECLARED_BEFORE, PAID_AFTER = timedelta(days=14), timedelta(days=6)


class Story:
    """What a test tells beforehand; the world's clock decides when it shows. Bodies and answers are JSON."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        changes: dict[str, Action] = {
            "/corrections": self._correct,
            "/splits": self._split,
            "/dividends": self._dividend,
            "/renames": self._rename,
            "/delistings": self._delist,
            "/halts": self._halt,
            "/companies": self._list_company,
        }
        self.routes: dict[tuple[str, str], Action] = {
            ("GET", "/truth/daily"): self._truth_daily,
            ("GET", "/truth/coin"): self._truth_coin,
            ("GET", "/truth/splits"): lambda body: self._truth().splits(body["ticker"], _on(body)),
            ("GET", "/truth/dividends"): lambda body: self._truth().dividends(body["ticker"], _on(body)),
            **{("POST", path): self._changing(action) for path, action in changes.items()},
        }

    def _changing(self, action: Action) -> Action:
        """The action, after which no answer made before it is served any more."""

        def changed(body: Body) -> object:
            action(body)
            self.engine.prepared.clear()
            return {}

        return changed

    def _correct(self, body: Body) -> None:
        """A bar of ``ticker`` on ``session``, or the price of ``coin`` at the instant ``at``."""
        published_at = datetime.fromisoformat(body["published_at"]) if body.get("published_at") else None
        if published_at and published_at.tzinfo is None:
            raise ValueError(f"published_at {published_at.isoformat()} has no UTC offset")
        if "coin" in body:
            at = to_ms(datetime.fromisoformat(body["at"]))
            self.engine.coins.correct(body["coin"], at, body["price"], published_at)
        else:
            session = date.fromisoformat(body["session"])
            self.engine.stocks.correct(body["ticker"], session, body["values"], published_at)

    def _split(self, body: Body) -> None:
        reported = body.get("reported")
        self.engine.stocks.add_split(
            Split(
                body["ticker"],
                date.fromisoformat(body["execution_date"]),
                body["split_from"],
                body["split_to"],
                reported=None if reported is None else tuple(_reported(row) for row in reported),
            )
        )

    def _dividend(self, body: Body) -> None:
        """Without its dates it is declared 14 days before its ex-date and paid 6 days after."""
        days = {name: date.fromisoformat(body[name]) for name in DIVIDEND_DAYS if name in body}
        ex_date = days["ex_date"]
        defaults = {
            "declared_on": ex_date - DECLARED_BEFORE,
            "record_date": ex_date,
            "pay_date": ex_date + PAID_AFTER,
        }
        self.engine.stocks.add_dividend(Dividend(**{**defaults, **body, **days}))

    def _rename(self, body: Body) -> None:
        self.engine.stocks.rename(body["old"], body["new"], date.fromisoformat(body["on"]))

    def _delist(self, body: Body) -> None:
        self.engine.stocks.delist(body["ticker"], date.fromisoformat(body["last_session"]))

    def _halt(self, body: Body) -> None:
        self.engine.stocks.halt(body["ticker"], date.fromisoformat(body["session"]))

    def _list_company(self, body: Body) -> None:
        ticker, day = body["ticker"], body["listed_on"]
        self.engine.stocks.list_company(
            Listing(
                ticker=ticker,
                name=body["name"],
                kind="CS",
                listed_on=date.fromisoformat(day),
                delisted_on=None,
                key=key_of(self.engine.options.seed, "newcomer", ticker, day),
                price=body["price"],
                volume=1e6,
                volatility=0.3,
                company=f"{ticker} of {day}",
            )
        )

    def _truth(self) -> Truth:
        now = self.engine.clock.now()
        return Truth(self.engine.stocks, self.engine.coins.known_at(now), now)

    def _truth_daily(self, body: Body) -> object:
        first, last = date.fromisoformat(body["first"]), date.fromisoformat(body["last"])
        return self._truth().daily(body["ticker"], first, last, _on(body))

    def _truth_coin(self, body: Body) -> object:
        first, last = date.fromisoformat(body["first"]), date.fromisoformat(body["last"])
        return self._truth().coin(body["coin"], first, last)


def _on(body: Body) -> date | None:
    """The day whose owner of the ticker is meant; the clock's day by default."""
    return date.fromisoformat(body["on"]) if body.get("on") else None


def _reported(row: Body) -> ReportedSplit:
    return ReportedSplit(date.fromisoformat(row["execution_date"]), row["split_from"], row["split_to"])
