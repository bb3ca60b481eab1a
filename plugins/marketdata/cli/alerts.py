"""``marketdata alerts``: what is wrong now, what was, and what nobody wants to hear of."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from getpass import getuser
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from marketdata import settings
from marketdata.cli.instants import new_york_midnight, read_day, read_instant
from marketdata.cli.output import AsJson, counted, print_json, told
from marketdata.domain.alert_causes import clock
from marketdata.domain.sessions import NEW_YORK

if TYPE_CHECKING:
    from marketdata.storage.alerts import StoredAlert, StoredSilence
    from marketdata.storage.outbox import Waiting

_DAYS_SHOWN = 7

app = typer.Typer(help="What is wrong now, what was, and what is silenced.")


@app.callback(invoke_without_command=True)
def show(context: typer.Context) -> None:
    """What is wrong now, what was, and what is silenced; without a command: the list."""
    if context.invoked_subcommand is None:
        list_alerts()


@app.command("list")
def list_alerts(
    days: Annotated[
        int, typer.Option(min=0, help="Alerts that have recovered are shown for so many days.")
    ] = _DAYS_SHOWN,
    as_json: AsJson = False,
) -> None:
    """Show the alerts that are open with cause and next step, those of the last days, and what is silenced."""
    from marketdata.storage import alerts
    from marketdata.storage.outbox import find_waiting
    from marketdata.storage.warehouse import Warehouse

    now = settings.now()
    with told(as_json):
        with Warehouse.open(settings.database_dsn()) as warehouse:
            found = warehouse.transact(alerts.list_alerts, opened_after=now - timedelta(days=days))
            silences = warehouse.transact(alerts.list_silences, now=now)
            waiting = warehouse.transact(find_waiting)
        if as_json:
            said = {"alerts": [asdict(each) for each in found], "silences": [asdict(each) for each in silences]}
            print_json({**said, "waiting": asdict(waiting)})
        else:
            _print(found, silences, waiting)


@app.command("silence")
def silence(
    key: Annotated[str, typer.Argument(help="Key of an alert such as feed_stale:polygon, or feed_stale:*")],
    until: Annotated[str, typer.Option(help="The New York day, or the instant with its offset, at which it ends.")],
    reason: Annotated[str, typer.Option(help="Why, in words.")],
    who: Annotated[str | None, typer.Option(help="Who says so; default: the user of this shell.")] = None,
    as_json: AsJson = False,
) -> None:
    """Keep alerts from being told until a day, for a reason. They are kept on record all the same.

    What is still wrong when the silence ends is told then, and so is the end of the silence.
    """
    from marketdata.storage import alerts
    from marketdata.storage.warehouse import Warehouse

    with told(as_json):
        ends = read_instant("--until", until) if "T" in until else new_york_midnight(read_day("--until", until))
        with Warehouse.open(settings.database_dsn()) as warehouse:
            made = warehouse.transact(
                alerts.add_silence,
                pattern=key,
                until=ends,
                reason=reason,
                who=getuser() if who is None else who,
                now=settings.now(),
            )
        if as_json:
            print_json(asdict(made))
        else:
            _say(f"silence {made.silence_id}: nobody is told of {made.pattern} before {clock(made.until)}")


@app.command("unsilence")
def unsilence(
    silence_id: Annotated[
        int, typer.Argument(metavar="NUMBER", help="Number of the silence, as alerts list shows it.")
    ],
    as_json: AsJson = False,
) -> None:
    """End a silence before its day: what is wrong is told by the next watch."""
    from marketdata.storage import alerts
    from marketdata.storage.warehouse import Warehouse

    with told(as_json), Warehouse.open(settings.database_dsn()) as warehouse:
        pattern = warehouse.transact(alerts.end_silence, silence_id, now=settings.now())
        if as_json:
            print_json({"silence_id": silence_id, "pattern": pattern})
        else:
            _say(f"silence {silence_id} has ended: {pattern} is told again")


@app.command("test")
def send_test(as_json: AsJson = False) -> None:
    """Send a test message to every receiver, as an alert would be sent; exit status 1 if one did not take it."""
    from marketdata.alerts.delivery import deliver
    from marketdata.domain.alerting import Message

    with told(as_json):
        body = f"sent: {clock(settings.now())}\nnext: nothing, this only shows that alerts arrive"
        with _quiet():
            delivery = deliver(Message(0, "test", "opened", "warn", "[test] marketdata alerts arrive here", body))
        if as_json:
            print_json(asdict(delivery))
        else:
            for name in delivery.delivered_to:
                _say("nobody is told: alerts are only logged" if name == "log" else f"{name} took it")
            for failure in delivery.failures:
                _say(f"not delivered: {failure}")
    if delivery.failures:
        raise typer.Exit(1)


@contextmanager
def _quiet() -> Iterator[None]:
    """No log lines of ours, of notifiers and of what they use between the answers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


def _print(alerts: Sequence[StoredAlert], silences: Sequence[StoredSilence], waiting: Waiting) -> None:
    is_open = [alert for alert in alerts if alert.state == "open"]
    console = Console(highlight=False)
    for alert in is_open:
        _print_open(console, alert)
    if not is_open:
        console.print("nothing is wrong")
    over = [alert for alert in alerts if alert.state != "open"]
    if over:
        table = Table(
            Column("recovered", no_wrap=True), "from", "to (New York)", Column("likely cause", overflow="fold")
        )
        for alert in over:
            spans = (f"{at.astimezone(NEW_YORK):%m-%d %H:%M}" for at in (alert.since, alert.recovered_at) if at)
            table.add_row(alert.alert_key, *spans, escape(alert.cause))
        console.print(table)
    if silences:
        table = Table("number", "silenced", "until", "by", Column("reason", overflow="fold"))
        for each in silences:
            words = (each.pattern, clock(each.until), each.who, each.reason)
            table.add_row(str(each.silence_id), *(escape(word) for word in words))
        console.print(table)
    if waiting.waiting and waiting.since is not None:
        why = escape(waiting.last_error or "not tried yet")
        _say(f"{counted(waiting.waiting, 'message')} not delivered since {clock(waiting.since)}: {why}")


def _print_open(console: Console, alert: StoredAlert) -> None:
    from marketdata.domain.alert_texts import headline, shown_symbols

    kind, _, about = alert.alert_key.partition(":")
    colour = "red" if alert.level == "error" else "yellow"
    console.print(f"[{colour}]{alert.level}[/] {escape(headline(kind, about, alert.subjects, alert.symbols))}")
    told_at = "nobody was told: silenced" if alert.told_at is None else f"told {clock(alert.told_at)}"
    lines = [f"alert: {alert.alert_key}, since {clock(alert.since)}, {told_at}", alert.figures]
    lines += [f"assets: {shown_symbols(alert.symbols)}" if alert.symbols else "", f"likely cause: {alert.cause}"]
    for line in (*lines, f"next: {alert.next_step}"):
        if line:
            console.print(f"  {escape(line)}", soft_wrap=True)


def _say(words: str) -> None:
    Console(soft_wrap=True, highlight=False).print(escape(words))
