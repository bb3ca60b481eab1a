"""``marketdata assets``, ``watchlist`` and ``overview`` against the simulator's vendors."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Terminal


def asked(terminal: Terminal) -> list[str]:
    return [request.path for request in terminal.desk.simulator.admin.requests()]


def test_a_stock_is_added_under_the_vendors_name_and_the_next_run_fetches_it(terminal: Terminal) -> None:
    added = terminal.json("assets add NVDA --class stock --watchlist chips --watchlist ai")
    assert (added["outcome"], added["is_verified"], added["warnings"]) == ("added", True, [])
    assert added["asset"]["name"].startswith("NVIDIA")
    assert asked(terminal) == ["/v3/reference/tickers/NVDA"]
    assert terminal.run("run historical 1M NVDA").exit_code == 0
    (shown,) = terminal.json("assets list NVDA")["assets"]
    assert (shown["status"], shown["bars"], shown["covered_last"]) == ("followed", 23, "2026-11-20")
    assert shown["watchlists"] == ["ai", "chips"]


@pytest.mark.parametrize("ticker", ["NOSUCH", "aapl"])
def test_a_ticker_that_nobody_has_is_refused_with_the_next_step(terminal: Terminal, ticker: str) -> None:
    refused = terminal.run(f"assets add {ticker} --class stock")
    assert refused.exit_code == 1
    assert "no company that has it today" in refused.stderr
    assert "Next: check the spelling" in refused.stderr
    assert terminal.desk.query("select count(*) from asset") == [(4,)]


@pytest.mark.parametrize("fault", ["forbidden", "away", "no connection"])
def test_a_ticker_that_cannot_be_verified_is_added_with_a_warning(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "no connection":
        monkeypatch.delenv("AIRFLOW_CONN_POLYGON_DEFAULT")
    else:
        body = {"status": "NOT_AUTHORIZED", "message": "You are not entitled to this data."}
        status = {"forbidden": 403, "away": 401}[fault]
        terminal.desk.simulator.admin.add_fault("status", match="/v3/reference", status=status, body=body)
    done = terminal.run("assets add NVDA --class stock")
    assert done.exit_code == 0, done.output
    assert "warning: the ticker was not verified" in done.stderr
    assert terminal.desk.query("select name from asset where symbol = 'NVDA'") == [("",)]


def test_a_coin_whose_symbol_is_its_own_is_added_by_it(terminal: Terminal) -> None:
    added = terminal.json("assets add ltc --class crypto")
    assert (added["asset"]["symbol"], added["asset"]["vendor_symbol"]) == ("X:LTCUSD", "litecoin")
    assert asked(terminal) == ["/coins/list"]


def test_an_ambiguous_coin_is_refused_with_the_candidates_and_resolved_by_its_id(terminal: Terminal) -> None:
    refused = terminal.run("assets add X:ETHUSD --class crypto")
    assert refused.exit_code == 1
    for candidate in ("ethereum (eth, Ethereum)", "ethereum-wormhole", "heavenly-ether", "--vendor-symbol"):
        assert candidate in refused.stderr
    assert terminal.desk.query("select count(*) from asset") == [(4,)]
    added = terminal.json("assets add X:ETHUSD --class crypto --vendor-symbol ethereum")
    assert (added["outcome"], added["asset"]["name"], added["warnings"]) == ("added", "Ethereum", [])


def test_an_unknown_coin_is_refused_with_near_matches(terminal: Terminal) -> None:
    refused = terminal.json("assets add X:ETHUSD --class crypto --vendor-symbol etherium")
    assert refused["error"] == "invalid_request"
    assert "ethereum (eth, Ethereum)" in refused["why"]


def test_a_coin_under_a_symbol_that_is_not_its_own_is_added_with_a_warning(terminal: Terminal) -> None:
    added = terminal.json("assets add X:XDGUSD --class crypto --vendor-symbol dogecoin")
    assert added["warnings"] == ["dogecoin is called 'doge' by the vendor, and 'xdg' in its house symbol"]


def test_a_coin_that_is_there_under_another_symbol_is_refused(terminal: Terminal) -> None:
    refused = terminal.run("assets add X:XBTUSD --class crypto --vendor-symbol bitcoin")
    assert refused.exit_code == 1
    assert "it is there already as X:BTCUSD" in refused.stderr


def test_a_coin_that_cannot_be_looked_up_needs_its_id_and_is_then_added_unverified(terminal: Terminal) -> None:
    terminal.desk.simulator.admin.remove_key("demo-coingecko-demo")
    assert terminal.run("assets add ltc --class crypto").exit_code == 1
    added = terminal.json("assets add ltc --class crypto --vendor-symbol litecoin")
    assert (added["is_verified"], added["asset"]["vendor_symbol"]) == (False, "litecoin")
    assert "was not verified" in added["warnings"][0]


def test_a_removed_asset_is_asked_for_no_more_and_taken_back_by_its_symbol_alone(terminal: Terminal) -> None:
    terminal.run("run historical 1M AAPL")
    removed = terminal.run("assets remove AAPL")
    assert removed.exit_code == 0
    assert "AAPL: not followed since 2026-11-21; 23 bars stay stored" in removed.stdout
    assert "assets add" in removed.stdout
    assert [asset["symbol"] for asset in terminal.json("assets list")["assets"]] == ["GOOGL", "MSFT", "X:BTCUSD"]
    assert terminal.json("assets list --all")["assets"][0]["status"] == "inactive"
    terminal.desk.simulator.admin.forget_requests()
    again = terminal.json("assets add AAPL")
    assert (again["outcome"], asked(terminal)) == ("followed again", [])
    assert terminal.json("assets list AAPL")["assets"][0]["bars"] == 23
    assert "followed already" in terminal.run("assets add AAPL --class stock").stdout


@pytest.mark.parametrize("options", ["--class etf", "--vendor-symbol AAPL.X"])
def test_a_symbol_that_means_another_asset_is_refused(terminal: Terminal, options: str) -> None:
    refused = terminal.run(f"assets add AAPL {options}")
    assert refused.exit_code == 1
    assert "it is there already, as stock 'AAPL'" in refused.stderr


def test_the_list_for_people_shows_class_status_coverage_and_bars(terminal: Terminal) -> None:
    terminal.run("run historical 1M AAPL")
    shown = terminal.run("assets list").stdout
    for text in ("AAPL", "stock", "followed", "1980-12-12", "2026-11-20", "nothing yet", "4 assets"):
        assert text in shown, text


def test_lists_and_the_overview_from_the_command_line(terminal: Terminal) -> None:
    assert terminal.run("watchlist create tech").exit_code == 0
    assert terminal.json("watchlist add tech AAPL MSFT") == {"name": "tech", "added": 2}
    assert terminal.json("watchlist remove tech MSFT") == {"name": "tech", "removed": 1}
    assert terminal.json("watchlist list") == {"watchlists": [{"name": "tech", "assets": 1}]}
    assert [member["symbol"] for member in terminal.json("watchlist show tech")["assets"]] == ["AAPL"]
    assert "AAPL" in terminal.run("watchlist show tech").stdout
    assert "tech" in terminal.run("watchlist list").stdout
    assert terminal.run("watchlist show tec").exit_code == 1
    shown = terminal.json("overview set MSFT AAPL")
    assert [member["symbol"] for member in shown["assets"]] == ["MSFT", "AAPL"]
    assert terminal.json("overview show") == shown
    assert terminal.json("overview set")["assets"] == []
    assert terminal.json("watchlist delete tech") == {"deleted": "tech"}
    assert len(terminal.json("assets list")["assets"]) == 4
