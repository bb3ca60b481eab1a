"""Compares an answer with what is stored, stores what differs and keeps the rest untouched.

Nearly always nothing differs: then the digests of the answer's years close the call, and no bar is read or written. A
year that differs goes through the ordinary store, which keeps what a changed bar was. A stored bar that the vendor
sends no more is kept and named.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from marketdata import settings
from marketdata.crash import crash_point
from marketdata.domain.coverage import Span, intersect, normalise
from marketdata.domain.digests import (
    bars_of,
    of_years,
    rows_of,
    sessions_of,
    year_span,
)
from marketdata.domain.sessions import today
from marketdata.errors import BeyondHistory, TransientFailure
from marketdata.flows.silence import reach_of
from marketdata.hooks.polygon import RANGE
from marketdata.storage.calls import Comparison, Stored
from marketdata.storage.digests import Compared, Given, compare_stored, confirm

if TYPE_CHECKING:
    from marketdata.flows.services import Services
    from marketdata.storage.calls import Call, DailyAnswer

log = logging.getLogger(__name__)

_MOST_NAMED = 10


def compare(services: Services, call: Call, answer: DailyAnswer) -> tuple[DailyAnswer, Stored]:
    """Compare the answer to a ``verify`` call with what is stored and close the call; the answer as it was stored.

    Only final bars are compared, every figure bit for bit, and only as far back as the plan's history reaches. Raises
    VendorError where it takes a probe to tell a clipped history from withdrawn bars, and that fails.
    """
    given = _given(services, call, answer)
    transact = services.warehouse.transact
    if not answer.quarantined and services.warehouse.transact_one(confirm, call, answer.facts, given):
        return _closed(answer, given)
    compared = transact(compare_stored, call, answer.facts, given)
    if _lacks_its_beginning(call, given, compared):
        answer, given = _probed(services, call, answer, given)
        compared = transact(compare_stored, call, answer.facts, given)
    if not compared.difference.count and not answer.quarantined:
        return _closed(answer, given)
    return _store(services, call, answer, given, compared)


def _closed(answer: DailyAnswer, given: Given) -> tuple[DailyAnswer, Stored]:
    crash_point("after_commit")
    return answer, Stored(0, 0, len(given.rows))


def _given(services: Services, call: Call, answer: DailyAnswer) -> Given:
    is_stock = call.vendor == "polygon"
    key = services.polygon_key if is_stock else services.coingecko_key
    earliest = key.earliest(today("stock" if is_stock else "crypto", settings.now()))
    span = Span(min(max(call.first, earliest or call.first), call.last), call.last)
    rows = rows_of(answer.bars.take(answer.is_final))
    refused = frozenset(row.session for row in answer.quarantined if row.session is not None)
    return Given.of(rows, span, answer.fetched_at, refused=refused, carries=not is_stock)


def _lacks_its_beginning(call: Call, given: Given, compared: Compared) -> bool:
    """Whether stored stock bars lie before the first one sent: withdrawn, or cut off by the plan."""
    withdrawn = compared.difference.withdrawn
    if call.vendor != "polygon" or not withdrawn:
        return False
    return not len(given.rows) or withdrawn[0] < sessions_of(given.rows[:1])[0].item()


def _probed(services: Services, call: Call, answer: DailyAnswer, given: Given) -> tuple[DailyAnswer, Given]:
    """The answer narrowed to what it speaks for, once that is known."""
    reach = reach_of(services.polygon, call.label, given.span, answer.bars)
    facts = replace(answer.facts, requests=answer.facts.requests + reach.requests)
    if reach.proven is None:
        raise _nothing_answered(call, reach.is_clipped, reach.warning)
    if reach.is_clipped:
        note = f"{call.label} compared from {given.span.first}, answered from {reach.proven.first}"
        services.polygon_key.learn_earliest(reach.proven.first, today("stock", settings.now()), note)
    if reach.warning:
        facts = replace(facts, warnings=(*facts.warnings, reach.warning))
    return replace(answer, facts=facts), given.narrowed(reach.proven)


def _nothing_answered(call: Call, is_clipped: bool, warning: str) -> BeyondHistory | TransientFailure:
    what = f"polygon {call.label} {call.first} to {call.last}"
    if is_clipped:
        why, step = "the plan's history starts after it", "take a plan with more history to have it compared"
        return BeyondHistory(what, why, step, vendor="polygon", endpoint=RANGE)
    why = f"an answer without a bar that could not be probed: {warning}"
    return TransientFailure(what, why, "nothing to do: it is compared again later", vendor="polygon", endpoint=RANGE)


def _store(
    services: Services, call: Call, answer: DailyAnswer, given: Given, compared: Compared
) -> tuple[DailyAnswer, Stored]:
    """Send the years that differ through the ordinary store; it closes the call with what was found."""
    difference = compared.difference
    years = {day.year for day in difference.to_store}
    bars = bars_of(of_years(compared.rows, years), call.label)
    alike = len(given.rows) - len(bars)
    warnings = answer.facts.warnings
    if difference.withdrawn:
        warnings = (*warnings, _name_withdrawn(call, difference.withdrawn))
    sent = replace(
        answer,
        bars=bars,
        asset_ids=np.full(len(bars), call.asset_id, dtype=np.int64),
        is_final=np.full(len(bars), True),
        verified=intersect(answer.verified, normalise(year_span(year) for year in years)),
        provisional=(),
        absent=tuple(pair for pair in answer.absent if pair[1].year in years),
        facts=replace(answer.facts, warnings=warnings),
        comparison=Comparison(difference.count, alike),
    )
    log.info(
        "differs label=%s changed=%d lacking=%d withdrawn=%d call_id=%d", call.label,
        len(difference.changed), len(difference.lacking), len(difference.withdrawn), call.call_id,
    )  # fmt: skip
    stored = services.warehouse.store_daily(call, sent)
    return sent, replace(stored, unchanged=stored.unchanged + alike)


def _name_withdrawn(call: Call, sessions: Sequence[date]) -> str:
    named = ", ".join(str(session) for session in sessions[:_MOST_NAMED])
    if len(sessions) > _MOST_NAMED:
        named += f" and {len(sessions) - _MOST_NAMED} more up to {sessions[-1]}"
    return f"{call.vendor} {call.label}: stored bars that the vendor does not send any more are kept: {named}"
