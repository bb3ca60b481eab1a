"""Who an asset is: its ticker history, what is stored under a wrong one, and when it is followed."""

from __future__ import annotations

from datetime import date, timedelta

from marketdata.domain.coverage import Span
from marketdata.domain.succession import Succession
from marketdata.domain.tickers import TickerPeriod, period, pieces
from marketdata.storage import aliases, gaps
from marketdata.storage.assets import find_assets, load_assets
from marketdata.storage.connection import connect
from marketdata.storage.gaps import missing_symbols
from tests.storage.ledger import SEEN, WEEK, Ledger, answer, bars

DAY = timedelta(days=1)
MONDAY, WEDNESDAY, FRIDAY = WEEK[0], WEEK[2], WEEK[4]
TODAY = date(2026, 11, 21)


def settle(ledger: Ledger, asset_id: int = 1, **changes: object) -> aliases.Settled:
    """Let asset ``asset_id`` stand as it is but for ``changes``."""
    name = f"A{asset_id}"
    as_is: dict[str, object] = {
        "symbol": name, "vendor_symbol": name, "figi": f"FIGI{asset_id}", "name": "", "listed_on": None,
        "delisted_on": None, "periods": (period(name, None, None),),
    }  # fmt: skip
    after = Succession(asset_id=asset_id, **{**as_is, **changes})  # type: ignore[arg-type]
    return ledger.warehouse.transact(aliases.settle, after, run_id=ledger.run_id, at=SEEN, today=TODAY)


def rename(ledger: Ledger, asset_id: int = 1, new: str = "NEW", on: date = WEDNESDAY) -> aliases.Settled:
    return settle(
        ledger,
        asset_id,
        symbol=new,
        vendor_symbol=new,
        periods=(period(f"A{asset_id}", None, on - DAY), period(new, on, None)),
        moved=(Span(on, date.max),),
    )


def store_week(ledger: Ledger, asset_id: int = 1) -> None:
    ledger.warehouse.store_daily(ledger.call(asset_id), answer(asset_id, bars(dict.fromkeys(WEEK, 10.0))))


def test_a_renamed_asset_is_found_by_its_new_symbol_and_has_both_tickers_in_its_history(ledger: Ledger) -> None:
    rename(ledger)
    (asset,) = ledger.warehouse.transact(find_assets, ["NEW"])
    assert (asset.asset_id, asset.vendor_symbol) == (1, "NEW")
    expected = (period("A1", None, WEDNESDAY - DAY), period("NEW", WEDNESDAY, None))
    assert ledger.warehouse.transact(aliases.find_histories)[1] == expected
    assert ledger.warehouse.transact(aliases.find_periods) == {1: expected}
    book = ledger.warehouse.transact(aliases.find_ticker_book)
    assert [book.asset_on(ticker, day) for ticker in ("A1", "NEW") for day in (MONDAY, FRIDAY)] == [1, None, 1, 1]


def test_days_under_a_wrong_ticker_are_missing_again_and_their_bars_kept_as_revisions(ledger: Ledger) -> None:
    store_week(ledger)
    assert rename(ledger) == aliases.Settled(retracted=3, displaced="")
    assert [session for _, session in ledger.closes()] == WEEK[:2]
    assert ledger.verified() == (Span(MONDAY - 2 * DAY, WEDNESDAY - DAY),)
    kept = ledger.read("select session, close, replaced_by_run_id from bar_revision order by 1")
    assert kept == [(day, 10.0, ledger.run_id) for day in WEEK[2:]]
    assert ledger.read("select count(*) from absence") == [(0,)]
    missing = ledger.warehouse.transact(gaps.missing, "us", Span(MONDAY, FRIDAY), asset_ids=[1], today=TODAY)
    assert [gap.missing for gap in missing] == [(Span(WEDNESDAY, FRIDAY),)]


def test_splits_and_dividends_are_read_anew_where_days_changed_their_ticker(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute("insert into reference_progress select asset_id, '2026-01-01', '2026-01-01' from asset")
    settle(ledger, 1)
    rename(ledger, 2)
    assert ledger.read("select asset_id, splits_through from reference_progress order by 1") == [
        (1, date(2026, 1, 1)),
        (2, None),
        (3, date(2026, 1, 1)),
    ]


def test_a_symbol_that_is_taken_leaves_the_asset_that_had_it_one_after_its_last_session(ledger: Ledger) -> None:
    store_week(ledger, 2)
    assert rename(ledger, 1, "A2").displaced == "A2-20261120"
    assert ledger.read("select asset_id, symbol, vendor_symbol from asset order by 1")[:2] == [
        (1, "A2", "A2"),
        (2, f"A2-{FRIDAY:%Y%m%d}", "A2"),
    ]


def test_a_market_day_is_mapped_by_the_tickers_of_that_day(ledger: Ledger) -> None:
    rename(ledger)

    def wanted(day: date) -> dict[str, int]:
        return ledger.warehouse.transact(missing_symbols, "us", day, today=TODAY)

    assert wanted(WEDNESDAY - DAY) == {"A1": 1, "A2": 2, "A3": 3}
    assert wanted(WEDNESDAY) == {"NEW": 1, "A2": 2, "A3": 3}


def test_a_ticker_that_was_another_assets_is_nobody_elses_on_its_days(ledger: Ledger) -> None:
    ended = {"symbol": "A1-OLD", "periods": (period("A1", None, WEDNESDAY),), "delisted_on": WEDNESDAY}
    settle(ledger, 1, **ended)
    ledger.warehouse.transact(load_assets, [{"symbol": "A1", "asset_class": "stock"}])
    found = ledger.warehouse.transact(aliases.find_periods)
    assert found == {4: (TickerPeriod(None, Span(date.min, WEDNESDAY)),)}
    assert pieces(Span(MONDAY, FRIDAY), "A1", found[4]) == [("A1", Span(WEDNESDAY + DAY, FRIDAY))]
    store_week(ledger, 2)
    for day, owner in ((MONDAY, 1), (WEDNESDAY, 1), (FRIDAY, 4)):
        assert ledger.warehouse.transact(missing_symbols, "us", day, today=TODAY)["A1"] == owner
    store_week(ledger, 1)
    assert "A1" not in ledger.warehouse.transact(missing_symbols, "us", MONDAY, today=TODAY), (
        "covered: still nobody else's"
    )


def test_days_before_the_first_known_ticker_are_nobodys(ledger: Ledger) -> None:
    settle(ledger, 1, periods=(period("OLD", MONDAY, WEDNESDAY - DAY), period("A1", WEDNESDAY, None)))
    periods = ledger.warehouse.transact(aliases.find_periods)[1]
    assert pieces(Span(MONDAY - 7 * DAY, FRIDAY), "A1", periods) == [
        ("OLD", Span(MONDAY, WEDNESDAY - DAY)),
        ("A1", Span(WEDNESDAY, FRIDAY)),
    ]


def test_an_asset_answered_with_404_is_followed_no_more_until_a_sync_finds_it(ledger: Ledger) -> None:
    assert ledger.warehouse.transact(aliases.mark_gone, 1, "A1", TODAY)
    assert not ledger.warehouse.transact(aliases.mark_gone, 1, "A1", TODAY + DAY), "once"
    assert [asset.asset_id for asset in ledger.warehouse.transact(find_assets, None)] == [2, 3]
    assert [one.asset_id for one in ledger.warehouse.transact(aliases.find_followed, None)] == [1, 2, 3]
    settle(ledger, 1)
    assert [asset.asset_id for asset in ledger.warehouse.transact(find_assets, None)] == [1, 2, 3]
    assert ledger.read("select count(gone_on) from asset") == [(0,)]


def test_an_asset_that_somebody_removed_is_no_business_of_a_sync(ledger: Ledger) -> None:
    with connect(ledger.dsn) as connection:
        connection.execute("update asset set inactive_since = '2026-11-01' where asset_id = 1")
    assert [one.asset_id for one in ledger.warehouse.transact(aliases.find_followed, None)] == [2, 3]
    assert [one.asset_id for one in ledger.warehouse.transact(aliases.find_followed, ["A1"])] == [1]
    settle(ledger, 1)
    assert [asset.asset_id for asset in ledger.warehouse.transact(find_assets, None)] == [2, 3]


def test_followed_assets_come_with_their_first_and_last_session(ledger: Ledger) -> None:
    store_week(ledger)
    found = ledger.warehouse.transact(aliases.find_followed, ["A1", "A2"])
    assert [(one.first_session, one.last_session) for one in found] == [(MONDAY, FRIDAY), (None, None)]
    assert not found[0].is_identified
    settle(ledger, 1)
    assert ledger.warehouse.transact(aliases.find_followed, ["A1"])[0].is_identified


def test_a_gone_coin_is_tried_again_after_a_while(ledger: Ledger) -> None:
    ledger.warehouse.transact(
        load_assets, [{"symbol": "X:BTCUSD", "asset_class": "crypto", "vendor_symbol": "bitcoin"}]
    )
    ledger.warehouse.transact(aliases.mark_gone, 4, "bitcoin", TODAY)
    ledger.warehouse.transact(aliases.mark_gone, 1, "A1", TODAY)
    assert ledger.warehouse.transact(aliases.revive_coins, TODAY - DAY) == []
    assert ledger.warehouse.transact(aliases.revive_coins, TODAY) == ["X:BTCUSD"]
    assert [asset.asset_id for asset in ledger.warehouse.transact(find_assets, None)] == [2, 3, 4]
