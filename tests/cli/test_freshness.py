"""``marketdata freshness``: how old the data is, for people, for programs, and for a cron job on another machine."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.cli.conftest import Terminal, change

TUESDAY_NOON = datetime.fromisoformat("2026-11-17T17:00:00+00:00")
NIGHT = datetime.fromisoformat("2026-11-18T05:00:00+00:00")


@pytest.fixture
def ticking(terminal: Terminal) -> Terminal:
    """Tuesday noon: all assets are watched, were asked for a minute ago, and their history is complete."""
    terminal.desk.at(TUESDAY_NOON)
    change(
        terminal,
        """
        update asset set created_at = '2026-11-01';
        insert into watchlist (name) values ('All');
        insert into watchlist_member select 1, asset_id from asset;
        insert into coverage (asset_id, interval, verified, updated_at)
            select asset_id, '1d', '{[2026-11-01,2026-11-17)}', now() from asset;
        insert into realtime_feed (vendor, feed, way, cadence_minutes, delay_seconds, note, decided_at)
            values ('polygon', 'latest', 'snapshot', 1, 0, '', now()),
                ('coingecko', 'latest', 'simple_price', 1, 0, '', now());
        insert into latest_price (asset_id, at, fetched_at, seen_at, run_id, price, session, delayed, source)
            select asset_id, '2026-11-17 16:59+00', '2026-11-17 16:59+00', '2026-11-17 16:59+00', 1, 10, '2026-11-17',
                false, 'polygon'
            from asset
        """,
    )
    return terminal


def test_when_all_is_fresh_the_exit_status_is_0(ticking: Terminal) -> None:
    done = ticking.run("freshness")
    assert done.exit_code == 0, done.output
    assert "nothing is stale" in done.stdout
    assert "2026-11-17 11:59:00" in done.stdout
    said = ticking.json("freshness")
    assert (said["is_stale"], said["stale"]) == (False, [])
    assert said["feeds"][0] == {
        "vendor": "polygon",
        "subject": "latest",
        "level": "fresh",
        "newest_at": "2026-11-17T16:59:00+00:00",
        "age_minutes": 1.0,
        "assets": 3,
        "stale_assets": 0,
    }


@pytest.mark.promise("P9")
def test_a_scheduler_that_is_dead_is_noticed_by_the_command_with_exit_status_3(ticking: Terminal) -> None:
    change(ticking, "update latest_price set fetched_at = '2026-11-17 16:40+00', seen_at = '2026-11-17 16:40+00'")
    done = ticking.run("freshness")
    assert done.exit_code == 3
    assert (
        "error: polygon latest, all of it: since Tuesday 2026-11-17 11:40 New York, 20 trading minutes" in done.stdout
    )
    stale = ticking.json("freshness")["stale"]
    assert [(one["vendor"], one["scope"], one["level"]) for one in stale] == [
        ("polygon", "feed", "error"),
        ("coingecko", "feed", "error"),
    ]


@pytest.mark.promise("P9")
def test_at_night_the_same_ages_are_no_reason_to_wake_anybody(
    ticking: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(ticking, "update coverage set verified = '{[2026-11-01,2026-11-18)}'")
    ticking.desk.at(NIGHT)
    done = ticking.run("freshness")
    assert done.exit_code == 0, done.output
    assert "closed: not judged" in done.stdout
    monkeypatch.setenv("MARKETDATA_CRYPTO_HOURS", "always")
    assert [(one["vendor"], one["subject"]) for one in ticking.json("freshness")["stale"]] == [("coingecko", "latest")]


def test_assets_that_a_vendor_leaves_out_are_named(ticking: Terminal) -> None:
    change(ticking, "update latest_price set seen_at = '2026-11-17 16:50+00', fetched_at = '2026-11-17 16:50+00'"
           " where asset_id = (select asset_id from asset where symbol = 'MSFT')")  # fmt: skip
    done = ticking.run("freshness")
    assert done.exit_code == 3
    assert "polygon latest, MSFT: since" in done.stdout


def test_a_daily_run_that_was_not_done_is_told(ticking: Terminal) -> None:
    ticking.desk.at(NIGHT)
    done = ticking.run("freshness")
    assert done.exit_code == 3
    assert "polygon daily, all of it: the run due on Tuesday 2026-11-17 16:30 New York has not brought" in done.stdout


def test_limits_that_make_no_sense_are_refused(ticking: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETDATA_STALE_AFTER", "latest=9/4")
    done = ticking.run("freshness")
    assert done.exit_code == 1
    assert "MARKETDATA_STALE_AFTER='latest=9/4'" in done.stderr


def test_wider_limits_are_taken_from_the_setting(ticking: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    change(ticking, "update latest_price set fetched_at = '2026-11-17 16:40+00', seen_at = '2026-11-17 16:40+00'")
    monkeypatch.setenv("MARKETDATA_STALE_AFTER", "latest=30/60")
    assert ticking.run("freshness").exit_code == 0
