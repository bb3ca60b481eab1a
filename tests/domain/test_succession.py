"""What becomes of an asset that is renamed, ends, trades again, or loses its ticker."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from marketdata.domain.coverage import Span
from marketdata.domain.identity import Finding, Followed, Status
from marketdata.domain.succession import Succession, succeed
from marketdata.domain.tickers import Periods, TickerChange, period

DAY = timedelta(days=1)
ON = date(2026, 11, 18)
TODAY = date(2026, 11, 21)
LISTED = date(2012, 5, 18)
ACME = Followed(1, "ACM", "ACM", "FIGI", "Acme", is_identified=True, last_session=date(2026, 11, 17))
SO_FAR = (period("ACM", None, None),)
HISTORY = (TickerChange(LISTED, "ACM"), TickerChange(ON, "NEW"))


def after(found: Finding, *changes: TickerChange, periods: Periods = SO_FAR) -> Succession:
    succession = succeed(found, periods, changes, TODAY)
    assert succession is not None
    return succession


def renamed(asset: Followed = ACME) -> Finding:
    return Finding(asset, Status.RENAMED, "FIGI", "NEW", "New Corp.", has_past=True)


def delisted(asset: Followed = ACME, on: date | None = ON, *, is_reused: bool = False) -> Finding:
    return Finding(asset, Status.DELISTED, "FIGI", "ACM", delisted_on=on, is_reused=is_reused)


def test_a_rename_closes_the_old_ticker_the_day_before_and_keeps_all_else() -> None:
    found = after(renamed(), *HISTORY)
    assert (found.asset_id, found.symbol, found.vendor_symbol, found.figi, found.name) == (
        1, "NEW", "NEW", "FIGI", "Acme",
    )  # fmt: skip
    assert found.periods == (period("ACM", None, ON - DAY), period("NEW", ON, None))
    assert (found.listed_on, found.delisted_on) == (None, None)
    assert found.moved == (Span(ON, date.max),), "what was asked for under the old ticker since then proves nothing"


def test_a_house_symbol_of_ones_own_choice_outlives_a_rename() -> None:
    assert after(renamed(replace(ACME, symbol="MY-ACME")), *HISTORY).symbol == "MY-ACME"
    assert after(renamed(replace(ACME, symbol="ACM-20220101")), *HISTORY).symbol == "NEW"


def test_a_rename_without_a_date_took_place_after_the_last_bar() -> None:
    assert after(renamed()).periods[-1] == period("NEW", date(2026, 11, 18), None)
    assert after(renamed(replace(ACME, last_session=None))).periods[-1] == period("NEW", TODAY, None)


def test_an_asset_first_seen_after_its_rename_takes_the_whole_ticker_history() -> None:
    found = after(renamed(replace(ACME, is_identified=False)), *HISTORY)
    assert found.periods == (period("ACM", LISTED, ON - DAY), period("NEW", ON, None))
    assert found.listed_on == LISTED


def test_an_asset_with_a_past_owns_only_the_days_of_its_company() -> None:
    meta = Followed(1, "NEW", "NEW", listed_on=ON)
    found = after(
        Finding(meta, Status.LISTED, "FIGI", "NEW", "New Corp.", has_past=True),
        *HISTORY,
        periods=(period("NEW", None, None),),
    )
    assert found.periods == (period("ACM", LISTED, ON - DAY), period("NEW", ON, None))
    assert (found.listed_on, found.name) == (LISTED, "New Corp.")
    assert found.moved == (Span(date.min, ON - DAY),), "bars of those days are of whoever had the ticker before"


def test_an_asset_without_a_past_stays_as_it_is() -> None:
    found = after(Finding(ACME, Status.LISTED, "FIGI", "ACM", "Acme Inc."))
    assert (found.periods, found.moved, found.name, found.listed_on) == (SO_FAR, (), "Acme", None)


def test_the_end_of_a_listing_keeps_the_name_and_closes_the_ticker() -> None:
    found = after(delisted())
    assert (found.symbol, found.delisted_on, found.moved) == ("ACM", ON, ())
    assert found.periods == (period("ACM", None, ON),)
    assert after(delisted(on=None)).delisted_on == ACME.last_session
    assert after(delisted(replace(ACME, last_session=None), on=None)).delisted_on == TODAY


def test_an_asset_that_lost_its_ticker_is_called_after_its_last_session_and_inherits_nothing() -> None:
    found = after(delisted(is_reused=True))
    assert (found.symbol, found.vendor_symbol) == ("ACM-20261117", "ACM")
    assert found.moved == (Span(ON + DAY, date.max),)
    late = after(delisted(replace(ACME, last_session=TODAY), is_reused=True))
    assert late.symbol == "ACM-20261118", "bars after the end are the other company's"


def test_an_asset_that_trades_again_goes_on_under_its_ticker() -> None:
    ended = replace(ACME, delisted_on=ON)
    found = after(Finding(ended, Status.LISTED, "FIGI", "ACM"), periods=(period("ACM", None, ON),))
    assert (found.delisted_on, found.periods) == (None, SO_FAR)


def test_a_new_figi_while_the_asset_traded_is_a_new_identity_of_the_same_company() -> None:
    replaced = Finding(ACME, Status.REPLACED, "FIGI-2", "ACM", is_reused=True)
    same = after(replaced, TickerChange(LISTED, "ACM"))
    assert (same.figi, same.symbol, same.delisted_on) == ("FIGI-2", "ACM", None)
    other = after(replaced, TickerChange(ON, "ACM"))
    assert (other.figi, other.symbol, other.delisted_on) == ("FIGI", "ACM-20261117", ON - DAY)
    assert succeed(replaced, SO_FAR, (), TODAY) is None


def test_what_is_unknown_or_there_twice_settles_nothing() -> None:
    for status in (Status.UNKNOWN, Status.TWICE):
        assert succeed(Finding(ACME, status), SO_FAR, (), TODAY) is None
