"""From a vendor's answer to what is stored: checked bars, refused records, and the days that the answer proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date

import numpy as np

from marketdata.domain.bars import AssetClass, DailyBars
from marketdata.domain.coverage import Span, Spans
from marketdata.domain.proof import prove
from marketdata.domain.quality import Checked, Reason, check_daily
from marketdata.domain.sessions import final_through, settled_through
from marketdata.errors import ContractBroken
from marketdata.flows.facts import facts_of
from marketdata.hooks.answer import Answer
from marketdata.storage.calls import Call, CallFacts, DailyAnswer, QuarantineRow


def read_single(
    call: Call,
    answer: Answer[DailyBars],
    proven: Span | None,
    *,
    asset_class: AssetClass,
    extra_requests: int = 0,
    warnings: Sequence[str] = (),
) -> DailyAnswer:
    """The answer to a call for one asset; it proves nothing outside ``proven`` (None: nothing at all).

    Raises ContractBroken when the vendor's timestamps changed their unit.
    """
    asset_id = _asset_of(call)
    seen_at, bars = answer.received_at, answer.data
    checked = check_daily(bars, asset_class=asset_class, asked=Span(call.first, call.last), seen_at=seen_at)
    _refuse_wrong_unit(checked, call, answer)
    kept = bars if len(checked.kept) == len(bars) else bars.take(checked.kept)
    refused = bars.session[[refusal.index for refusal in checked.refused]]
    final = final_through(asset_class, answer.seen_until)
    verified: Spans = ()
    provisional: Spans = ()
    absent: tuple[date, ...] = ()
    if proven is not None:
        proof = prove(
            proven,
            asset_class=asset_class,
            stored=kept.session,
            refused=refused,
            final_through=final,
            settled_through=settled_through(asset_class, answer.seen_until) if checked.tells_days else date.min,
        )
        verified, provisional, absent = proof.verified, proof.provisional, proof.absent
    return DailyAnswer(
        bars=kept,
        asset_ids=np.full(len(kept), asset_id, dtype=np.int64),
        is_final=kept.session <= np.datetime64(final, "D"),
        fetched_at=seen_at,
        covered=np.array([asset_id], dtype=np.int64),
        verified=verified,
        provisional=provisional,
        absent=tuple((asset_id, session) for session in absent),
        quarantined=_refused_rows(bars, checked, {call.label: asset_id}),
        facts=_facts(answer, len(bars), checked, (*_conflicts(checked), *warnings), extra_requests),
    )


def read_market_day(
    call: Call, answer: Answer[DailyBars], wanted: Mapping[str, int], *, warnings: Sequence[str] = (), is_complete: bool
) -> DailyAnswer:
    """The answer to a market day, for the assets (vendor symbol to asset_id) that miss it; other tickers are left out.

    ``is_complete`` False: too few rows came to take a ticker that is not among them for one that did not trade.
    """
    session, seen_at = call.first, answer.received_at
    ids = np.array([wanted.get(symbol, 0) for symbol in answer.data.symbols], dtype=np.int64)
    bars = answer.data.take(ids > 0)
    checked = check_daily(bars, asset_class="stock", asked=Span(session, session), seen_at=seen_at)
    _refuse_wrong_unit(checked, call, answer)
    kept = bars.take(checked.kept)
    kept_ids = ids[ids > 0][checked.kept]
    refused_ids = ids[ids > 0][[refusal.index for refusal in checked.refused]]
    all_ids = np.array(sorted(wanted.values()), dtype=np.int64)
    without_bar = np.setdiff1d(np.setdiff1d(all_ids, kept_ids), refused_ids)
    is_final = session <= final_through("stock", answer.seen_until)
    absent = without_bar if is_complete and session <= settled_through("stock", answer.seen_until) else without_bar[:0]
    day = (Span(session, session),)
    return DailyAnswer(
        bars=kept,
        asset_ids=kept_ids,
        is_final=np.full(len(kept), is_final),
        fetched_at=seen_at,
        covered=np.union1d(kept_ids, absent),
        verified=day if is_final else (),
        provisional=() if is_final else day,
        absent=tuple((asset_id, session) for asset_id in absent.tolist()),
        quarantined=_refused_rows(bars, checked, wanted),
        facts=_facts(answer, len(bars), checked, (*_conflicts(checked), *warnings), 0),
    )


def _asset_of(call: Call) -> int:
    if call.asset_id is None:
        raise ValueError(f"call {call.call_id} is for the whole market, not for one asset")
    return call.asset_id


def _refuse_wrong_unit(checked: Checked, call: Call, answer: Answer[DailyBars]) -> None:
    wrong = sum(refusal.reason is Reason.WRONG_UNIT for refusal in checked.refused)
    if wrong:
        raise ContractBroken(
            f"{call.vendor} {call.label}",
            f"{wrong} of {len(answer.data)} bars lie before 1990 or after 2100: the time stamps changed their unit",
            "compare the answer with the vendor's documentation",
            vendor=call.vendor,
            endpoint=answer.endpoint,
            status=answer.status,
        )


def _refused_rows(bars: DailyBars, checked: Checked, asset_ids: Mapping[str, int]) -> tuple[QuarantineRow, ...]:
    rows = []
    for refusal in checked.refused:
        record = {field.name: getattr(bars, field.name)[refusal.index] for field in fields(bars)}
        symbol = str(record["symbols"])
        session = record["session"].item()
        rows.append(QuarantineRow(symbol, session, record, str(refusal.reason), asset_ids.get(symbol)))
    return tuple(rows)


def _conflicts(checked: Checked) -> list[str]:
    return [f"two different bars for {pair.symbol} {pair.session}: the last one counts" for pair in checked.conflicts]


def _facts(
    answer: Answer[DailyBars], received: int, checked: Checked, warnings: Sequence[str], extra_requests: int
) -> CallFacts:
    return replace(
        facts_of(answer),
        requests=answer.requests + extra_requests,
        received=received,
        duplicates=checked.duplicates + len(checked.conflicts),
        warnings=(*answer.warnings, *warnings)[:20],
    )
