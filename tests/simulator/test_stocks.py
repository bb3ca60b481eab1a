"""The daily history of the simulated stocks."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from local.simulator.actions import Split
from local.simulator.listings import load_universe
from local.simulator.stocks import StockWorld, adjusted
from local.simulator.trading_days import ordinal, ordinals, session_at


@pytest.fixture
def world() -> StockWorld:
    return StockWorld(load_universe(extra_stocks=300))


def closes(world: StockWorld, ticker: str, first: date, last: date, which: int = -1) -> list[float]:
    bars = world.daily(np.array([world.rows(ticker)[which]]), ordinals(first, last))
    return [close for close, there in zip(bars.close[0].tolist(), bars.present[0].tolist(), strict=True) if there]


def test_a_bar_is_the_same_whichever_call_asks_for_it(world: StockWorld) -> None:
    everyone = np.arange(len(world.universe.listings))
    sessions = ordinals(date(2024, 5, 1), date(2024, 6, 28))
    table = world.daily(everyone, sessions)
    assert table.present.sum() > 10_000
    for at, session in enumerate(sessions.tolist()):
        day = world.daily(everyone, np.array([session]))
        for name in ("open", "high", "low", "close", "volume", "vwap", "trades", "present"):
            assert np.array_equal(getattr(day, name)[:, 0], getattr(table, name)[:, at]), name
    for row in everyone.tolist():
        series = world.daily(np.array([row]), sessions)
        assert np.array_equal(series.close[0], table.close[row])
        assert np.array_equal(series.volume[0], table.volume[row])


def test_another_process_of_the_same_seed_has_the_same_bars_and_another_seed_has_others() -> None:
    span = (date(2024, 1, 2), date(2024, 1, 31))
    first, again, other = (StockWorld(load_universe(seed=seed)) for seed in (1, 1, 2))
    assert closes(first, "AAPL", *span) == closes(again, "AAPL", *span)
    assert closes(first, "AAPL", *span) != closes(other, "AAPL", *span)


def test_bars_are_sound(world: StockWorld) -> None:
    bars = world.daily(np.arange(len(world.universe.listings)), ordinals(date(2015, 1, 2), date(2015, 12, 31)))
    assert bars.present.sum() > 50_000
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.low > 0).all()
    assert (bars.volume > 0).all()
    assert ((bars.vwap >= bars.low - 1e-9) & (bars.vwap <= bars.high + 1e-9)).all()


def test_prices_move_like_prices(world: StockWorld) -> None:
    steps = np.diff(np.log(closes(world, "SPY", date(2004, 1, 2), date(2025, 12, 31))))
    assert 0.08 < steps.std() * 252**0.5 < 0.3
    assert np.abs(steps).max() < 0.15


def test_there_are_bars_only_between_listing_and_delisting(world: StockWorld) -> None:
    assert closes(world, "RDDT", date(2024, 3, 1), date(2024, 3, 20)) == []
    assert len(closes(world, "RDDT", date(2024, 3, 21), date(2024, 3, 22))) == 2
    assert len(closes(world, "TWTR", date(2022, 10, 26), date(2022, 12, 30))) == 2


def test_a_halt_is_a_session_without_a_bar(world: StockWorld) -> None:
    assert len(ordinals(date(2022, 10, 3), date(2022, 10, 5))) == 3
    assert len(closes(world, "TWTR", date(2022, 10, 3), date(2022, 10, 5))) == 2


def test_a_split_divides_raw_prices_and_leaves_adjusted_ones_continuous(world: StockWorld) -> None:
    rows, sessions = np.array(world.rows("AAPL")), ordinals(date(2020, 8, 28), date(2020, 8, 31))
    raw = world.daily(rows, sessions)
    assert raw.close[0, 0] / raw.close[0, 1] == pytest.approx(4, rel=0.1)
    assert raw.volume[0, 1] / raw.volume[0, 0] > 1.5
    even = adjusted(raw, world.roster.adjustment(rows, sessions, date(2026, 1, 2)))
    assert even.close[0, 0] / even.close[0, 1] == pytest.approx(1, rel=0.1)


def test_adjustment_knows_only_splits_up_to_today(world: StockWorld) -> None:
    rows, sessions = np.array(world.rows("AAPL")), ordinals(date(2005, 2, 25), date(2005, 2, 25))
    for today, factor in ((date(2005, 2, 25), 1.0), (date(2005, 2, 28), 1 / 2), (date(2026, 1, 2), 1 / 56)):
        assert world.roster.adjustment(rows, sessions, today)[0, 0] == pytest.approx(factor)


def test_a_rename_goes_on_at_the_same_price(world: StockWorld) -> None:
    before = closes(world, "FB", date(2022, 6, 8), date(2022, 6, 30))
    after = closes(world, "META", date(2022, 6, 8), date(2022, 6, 9))
    assert (len(before), len(after)) == (1, 1)
    assert before[0] / after[0] == pytest.approx(1, rel=0.1)


def test_a_correction_replaces_one_bar_and_a_reset_forgets_it(world: StockWorld) -> None:
    span = (date(2024, 5, 1), date(2024, 5, 3))
    genuine = closes(world, "AAPL", *span)
    world.correct("AAPL", date(2024, 5, 2), {"c": 1.25, "v": 10.0})
    assert closes(world, "AAPL", *span) == [genuine[0], 1.25, genuine[2]]
    world.reset()
    assert closes(world, "AAPL", *span) == genuine


@pytest.mark.parametrize(("ticker", "values"), [("NOPE", {"c": 1.0}), ("TWTR", {"c": 1.0}), ("AAPL", {"close": 1.0})])
def test_a_correction_of_nothing_is_refused(world: StockWorld, ticker: str, values: dict[str, float]) -> None:
    with pytest.raises(LookupError):
        world.correct(ticker, date(2024, 5, 2), values)


def test_an_added_split_changes_raw_prices_from_its_date_on_only(world: StockWorld) -> None:
    span = (date(2026, 10, 5), date(2026, 10, 6))
    before, after = closes(world, "KO", *span)
    world.add_split(Split("KO", date(2026, 10, 6), 1, 2))
    assert closes(world, "KO", *span) == [before, pytest.approx(after / 2, abs=0.01)]


def test_ordinals_and_sessions_are_each_others_inverse() -> None:
    assert session_at(ordinal(date(2026, 11, 20))) == date(2026, 11, 20)
    assert session_at(ordinal(date(2026, 11, 26))) == date(2026, 11, 27)
    assert len(ordinals(date(2026, 11, 26), date(2026, 11, 26))) == 0
