"""Asks a vendor for present prices in the way that its plan gives: all in one call, or one asset after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from marketdata.domain.bars import Asset
from marketdata.domain.cadence import Way
from marketdata.domain.planner import CallKind
from marketdata.domain.prices import Prices
from marketdata.errors import KeyRejected, NotEntitled, NotYet, RateLimited, TransientFailure, VendorError
from marketdata.flows.realtime.ticking import Asked, Tick, Unanswered, symbols_of
from marketdata.hooks.answer import Answer
from marketdata.storage.calls import Call

Question = Callable[[str], Answer[Prices]]

_SECONDS = 10.0
"""After so long no other asset is asked for: with the last call, and that of the other vendor, it is 45 at most."""

_FAILURES_IN_A_ROW = 3
"""After so many the vendor is taken for down: what is left waits for the next tick."""

_KIND: dict[Way, CallKind] = {
    "snapshot": CallKind.SNAPSHOT,
    "last_trade": CallKind.LAST_TRADE,
    "minute_bar": CallKind.MINUTE_BAR,
    "simple_price": CallKind.SIMPLE_PRICE,
}


@dataclass(slots=True)
class _Round:
    """What came of asking one asset after the other."""

    answers: list[Answer[Prices]] = field(default_factory=list)
    failed: list[tuple[Asset, VendorError]] = field(default_factory=list)
    unreached: Sequence[Asset] = ()
    stopped_by: VendorError | None = None

    @property
    def refusals(self) -> list[VendorError]:
        return [error for _, error in self.failed if isinstance(error, NotEntitled | NotYet)]

    @property
    def is_down(self) -> bool:
        last = [error for _, error in self.failed[-_FAILURES_IN_A_ROW:]]
        return len(last) == _FAILURES_IN_A_ROW and all(isinstance(error, TransientFailure) for error in last)


def ask_latest(tick: Tick, way: Way, assets: Sequence[Asset]) -> Asked[Prices] | Unanswered:
    """The prices of these assets of one vendor. An asset whose call alone failed is in the record of the run.

    The answer to many calls is one: sums of what they cost, and every price that came.
    """
    call = tick.note(_KIND[way], assets[0].vendor)
    symbols = [asset.vendor_symbol for asset in assets]
    polygon, coingecko = tick.services.polygon, tick.services.coingecko
    if way == "snapshot":
        return tick.ask(call, lambda: polygon.snapshot(symbols))
    if way == "simple_price":
        return tick.ask(call, lambda: coingecko.simple_prices(symbols))
    if way == "last_trade":
        return _one_by_one(tick, call, assets, polygon.last_trade)
    session = tick.today("polygon")
    return _one_by_one(tick, call, assets, lambda ticker: polygon.minute_bar(ticker, session))


def _one_by_one(tick: Tick, call: Call, assets: Sequence[Asset], question: Question) -> Asked[Prices] | Unanswered:
    """One call each. Two refusals without an answer mean the endpoint, one alone means its asset."""
    asked = _go_round(assets, question)
    refusals = asked.refusals
    if not asked.answers and len(refusals) == min(2, len(assets)):
        return tick.fail(call, _with_costs(refusals[-1], refusals))
    if not asked.answers and asked.stopped_by is not None:
        return tick.fail(call, asked.stopped_by)
    outcome = None
    if not asked.answers:
        outcome = tick.fail(call, asked.failed[-1][1])
        tick.supersede(outcome)  # each asset's own record stands for it
    for asset, error in asked.failed:
        tick.fail(tick.note(call.kind, "polygon", asset=asset), error)
    if asked.answers and asked.stopped_by is not None:
        tick.fail(tick.note(call.kind, "polygon"), asked.stopped_by)
    if asked.unreached:
        tick.warn(f"polygon: the tick does not reach {symbols_of(asked.unreached)}")
    return outcome or Asked(call, _joined(asked.answers))


def _go_round(assets: Sequence[Asset], question: Question) -> _Round:
    over_at, asked = monotonic() + _SECONDS, _Round()
    for place, asset in enumerate(assets):
        if monotonic() > over_at or asked.is_down:
            asked.unreached = assets[place:]
            break
        try:
            asked.answers.append(question(asset.vendor_symbol))
        except (KeyRejected, RateLimited) as error:
            asked.stopped_by, asked.unreached = error, assets[place:]
            break
        except VendorError as error:
            asked.failed.append((asset, error))
        if not asked.answers and len(asked.refusals) == 2:
            break
    return asked


def _with_costs(error: VendorError, errors: Sequence[VendorError]) -> VendorError:
    """The error as that of all calls that met it."""
    error.requests = sum(one.requests for one in errors)
    error.rate_limited = sum(one.rate_limited for one in errors)
    error.elapsed_ms = sum(one.elapsed_ms for one in errors)
    return error


def _joined(answers: Sequence[Answer[Prices]]) -> Answer[Prices]:
    return replace(
        answers[-1],
        data=Prices.joined([answer.data for answer in answers]),
        requests=sum(answer.requests for answer in answers),
        rate_limited=sum(answer.rate_limited for answer in answers),
        received_bytes=sum(answer.received_bytes for answer in answers),
        elapsed_ms=sum(answer.elapsed_ms for answer in answers),
        digest=hashlib.sha256("".join(answer.digest for answer in answers).encode()).hexdigest(),
        delayed=any(answer.delayed for answer in answers),
    )
