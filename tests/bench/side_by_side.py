"""Side by side with what others use: one world, one story of faults, then what each has stored against the truth.

The story: a first load of one year of 30 stocks that is killed in the middle, then two weeks of mornings and Sundays.
All along 2 % of the answers are 5xx; there are bursts of 429, and one answer breaks off in the middle. In the first
week one stock splits, in the second one old bar is corrected. Each participant is a process of its own a run, started
again at most twice when it ends badly, as a scheduler does.

What counts is what a chart shows: split-adjusted open, high, low, close and volume, against the world's own truth.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg

from local.simulator.admin import SimulatorAdmin
from local.simulator.listings import load_universe
from marketdata.domain.sessions import is_session
from marketdata.storage.migrations import migrate
from tests.bench.scenes import Figure, Section
from tests.bench.stage import ROOT, Stage, ready_file, simulator

STOCKS = 30
FIRST = date(2025, 11, 7)
SPLIT_ON = date(2026, 11, 11)
CORRECTED = date(2026, 10, 20)
CORRECTED_ON = date(2026, 11, 18)
KILLED_AT_CALL = 15
FIRST_LOAD = datetime(2026, 11, 7, 18, tzinfo=UTC)  # a Saturday
LAST_RUN = datetime(2026, 11, 22, 18, tzinfo=UTC)  # the second Sunday
TRIES = 3

Series = dict[tuple[str, date], tuple[float, ...]]

_TEXT = f"""## Side by side

One story for each participant on a simulator of its own: a first load of one year of {STOCKS} stocks that is killed in
the middle, then a run each morning after a session and on each of two Sundays. 2 % of the answers are 5xx; there are
bursts of 429, and one answer breaks off in the middle; one stock splits, one old bar is corrected. A process that ends
badly is started again, at most twice. What is compared is what a chart shows, split-adjusted open, high, low, close and
volume, with the world's own truth. The peers take adjusted prices from the vendor, as most users do, incremental on the
bar's time; they never learn that the past changed. Our Sundays include the verification that finds it out. The peers
are the smaller thing to write and to own, the loop may well be done sooner, and both serve well where the past never
changes.

tap-polygon is not among them: it is on no package index, only in its source repository. The loop on the vendor's
official client with an upsert stands for what its users write.
"""
_OURS = """select a.symbol, b.session, b.open, b.high, b.low, b.close, b.volume
    from marketdata.bar_daily_adjusted as b join marketdata.asset as a using (asset_id)"""
_THEIRS = (
    """select ticker, (to_timestamp(t / 1000.0) at time zone 'America/New_York')::date, o, h, l, c, v from {table}"""
)


@dataclass(frozen=True, slots=True)
class Participant:
    """``module`` is run as one process a run; ``select`` reads what it stored, as a chart would."""

    name: str
    module: str
    select: str


OURS = Participant("ours", "tests.bench.peer_ours", _OURS)
PARTICIPANTS = (
    OURS,
    Participant(f"dlt {version('dlt')}", "tests.bench.peer_dlt", _THEIRS.format(table="peer.bars")),
    Participant(f"a loop on massive {version('massive')}", "tests.bench.peer_loop", _THEIRS.format(table="bars")),
)


@dataclass(slots=True)
class Outcome:
    """What one participant needed and what it ended with. ``wrong`` by cause: split, correction, other.

    ``seconds`` without ``starting``, which its processes took to import what they need.
    """

    processes: int = 0
    starting: float = 0.0
    seconds: float = 0.0
    calls: int = 0
    bad_ends: int = 0
    bars: int = 0
    missing: int = 0
    extra: int = 0
    wrong: dict[str, int] = field(default_factory=lambda: {"split": 0, "correction": 0, "other": 0})

    @property
    def wrong_bars(self) -> int:
        """Bars that differ from the truth, or that the world does not have."""
        return sum(self.wrong.values()) + self.extra

    @property
    def wrong_text(self) -> str:
        """Their number, and what made them wrong."""
        causes = ", ".join(f"{count:,} by the {cause}" for cause, count in self.wrong.items() if count)
        return f"{self.wrong_bars:,} ({causes})" if causes else f"{self.wrong_bars:,}"


def side_by_side(stage: Stage) -> list[Figure | Section]:
    """The same story for each participant, on a world of its own without synthetic stocks."""
    with tempfile.TemporaryDirectory(prefix="marketdata-peers-") as folder, simulator(Path(folder)) as urls:
        admin = SimulatorAdmin(urls["base_url"])
        story = Story(stage, admin, urls["polygon_url"], Path(folder))
        outcomes = {participant: story.tell(participant) for participant in PARTICIPANTS}
    return [_goal(outcomes[OURS]), _table(outcomes)]


def _goal(ours: Outcome) -> Figure:
    measured = f"{ours.wrong_bars:,} wrong, {ours.missing:,} missing of {ours.bars:,}"
    goal = "0 wrong, 0 missing"
    return Figure("side by side with two peers (below): our bars at the end", goal, measured, measured.startswith(goal))


def _table(outcomes: Mapping[Participant, Outcome]) -> Section:
    names = [participant.name for participant in outcomes]
    rows = [
        ["", *names],
        ["---"] * (1 + len(names)),
        ["bars missing at the end", *(f"{one.missing:,} of {one.bars:,}" for one in outcomes.values())],
        ["bars wrong at the end", *(one.wrong_text for one in outcomes.values())],
        ["vendor calls", *(f"{one.calls:,}" for one in outcomes.values())],
        ["time of work", *(f"{one.seconds:.1f} s" for one in outcomes.values())],
        ["time of imports, all processes", *(f"{one.starting:.1f} s in {one.processes}" for one in outcomes.values())],
        ["processes that ended badly", *(f"{one.bad_ends}" for one in outcomes.values())],
        ["lines to write", *map(_lines, outcomes)],
    ]
    return Section("\n".join([_TEXT, *(f"| {' | '.join(row)} |" for row in rows)]))


def _lines(participant: Participant) -> str:
    """Lines that are not blank; ours is the project itself."""
    if participant is OURS:
        files = sorted((ROOT / "plugins" / "marketdata").rglob("*.py"))
        return f"none; the project has {sum(map(_count_lines, files)):,} lines of Python"
    return f"{_count_lines(ROOT.joinpath(*participant.module.split('.')).with_suffix('.py'))}"


def _count_lines(path: Path) -> int:
    return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())


class Story:
    """One world and its faults, told to one participant after the other."""

    def __init__(self, stage: Stage, admin: SimulatorAdmin, polygon_url: str, folder: Path) -> None:
        self.stage = stage
        self.admin = admin
        self.polygon_url = polygon_url
        self.folder = folder
        self.tickers = _tickers()
        self.split, self.corrected = self.tickers[3], self.tickers[7]

    def tell(self, participant: Participant) -> Outcome:
        """Reset the world and live through the two weeks."""
        outcome = Outcome()
        dsn = self.stage.database.create_database(f"peer_{participant.module.rpartition('_')[2]}")
        migrate(dsn)
        self._set_up()
        self._run(participant, dsn, FIRST_LOAD, outcome, killed=True)
        self._add_faults(bursts=(2, 20), cut_after=9)
        now = FIRST_LOAD
        while now <= LAST_RUN:
            if now > FIRST_LOAD:
                self._add_faults(bursts=(1,) if now.weekday() == 3 else ())
            if now == FIRST_LOAD or _is_due(now):
                self._run(participant, dsn, now, outcome)
            now += timedelta(days=1)
        self.admin.clear_faults()
        self._judge(participant, dsn, outcome)
        return outcome

    def _set_up(self) -> None:
        """The world as it will turn out: both events take effect by the vendors' clock."""
        self.admin.reset()
        self.admin.set_clock(FIRST_LOAD)
        self.admin.add_split(self.split, SPLIT_ON, 1, 2)
        published = datetime(CORRECTED_ON.year, CORRECTED_ON.month, CORRECTED_ON.day, 12, tzinfo=UTC)
        self.admin.correct_bar(self.corrected, CORRECTED, published_at=published, v=123_456.0)

    def _add_faults(self, *, bursts: Sequence[int] = (), cut_after: int | None = None) -> None:
        """The rules of one day: bursts of 3 answers 429, one answer that breaks off, 2 % 5xx."""
        self.admin.clear_faults()
        for after in bursts:
            self.admin.add_fault("status", vendor="massive", status=429, after=after, times=3)
        if cut_after is not None:
            self.admin.add_fault("truncate", vendor="massive", match="/v2/aggs/", after=cut_after, times=1)
        self.admin.add_fault("status", vendor="massive", status=503, probability=0.02)

    def _run(
        self, participant: Participant, dsn: str, now: datetime, outcome: Outcome, *, killed: bool = False
    ) -> None:
        """One run with its retries, or one that is killed while it waits for an answer."""
        self.admin.set_clock(now)
        self.admin.forget_requests()
        if killed:
            self.admin.clear_faults()
            self.admin.add_fault("hang", vendor="massive", match="/v2/aggs/", after=KILLED_AT_CALL - 1, times=1)
        for _ in range(TRIES):
            started = time.time()
            process = self._start(participant, dsn, now)
            if killed:
                self._kill(process)
            status = process.wait(600)
            ready = float(ready_file(self._home(participant)).read_text(encoding="utf-8"))
            outcome.processes += 1
            outcome.starting += ready - started
            outcome.seconds += time.time() - ready
            if status == 0 or killed:
                break
            outcome.bad_ends += 1
        outcome.calls += len(self.admin.requests(vendor="massive"))

    def _start(self, participant: Participant, dsn: str, now: datetime) -> subprocess.Popen[bytes]:
        last = now.date() - timedelta(days=1)
        home = self._home(participant)
        command = [sys.executable, "-m", participant.module, dsn, self.polygon_url, home]
        environ = {**os.environ, "MARKETDATA_NOW": now.isoformat(), "REDIS_URL": self.stage.redis_url}
        with Path(f"{home}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, str(FIRST), str(last), *self.tickers], cwd=ROOT, env=environ, stdout=log, stderr=log
            )

    def _home(self, participant: Participant) -> str:
        return str(self.folder / participant.module.rpartition(".")[2])

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL once the call that hangs was made."""
        deadline = time.monotonic() + 120
        while not self.admin.faults()[0]["hits"]:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the run ended before it could be killed")
            time.sleep(0.02)
        process.kill()

    def _judge(self, participant: Participant, dsn: str, outcome: Outcome) -> None:
        truth = self._truth()
        with psycopg.connect(dsn) as connection:
            connection.execute("select set_config('marketdata.now', %s, false)", (LAST_RUN.isoformat(),))
            stored = {(row[0], row[1]): row[2:] for row in connection.execute(participant.select)}
        outcome.bars = len(truth)
        outcome.missing = len(truth.keys() - stored.keys())
        outcome.extra = len(stored.keys() - truth.keys())
        for known, bar in stored.items():
            if known in truth and not _equal(bar, truth[known]):
                outcome.wrong[self._cause(known)] += 1

    def _cause(self, known: tuple[str, date]) -> str:
        if known == (self.corrected, CORRECTED):
            return "correction"
        return "split" if known[0] == self.split and known[1] < SPLIT_ON else "other"

    def _truth(self) -> Series:
        """Each bar of the world, on the share basis of the last day."""
        self.admin.set_clock(LAST_RUN)
        truth: Series = {}
        for ticker in self.tickers:
            splits = self.admin.truth_splits(ticker)
            for bar in self.admin.truth_daily(ticker, FIRST, LAST_RUN.date()):
                truth[ticker, bar["session"]] = _adjusted(bar, splits)
        if len(truth) < STOCKS * 250:
            raise RuntimeError(f"the world has {len(truth)} bars only")
        return truth


def _tickers() -> list[str]:
    """Stocks that neither change hands nor end in the story's time."""
    listings = load_universe().listings
    steady = [
        listing.ticker
        for listing in listings
        if listing.kind == "CS" and listing.delisted_on is None and listing.listed_on < FIRST
    ]
    return steady[:STOCKS]


def _is_due(now: datetime) -> bool:
    """Mornings after a session, and Sundays."""
    return now.weekday() == 6 or is_session(now.date() - timedelta(days=1))


def _adjusted(bar: Mapping[str, Any], splits: Sequence[Mapping[str, Any]]) -> tuple[float, ...]:
    ratio = 1.0
    for split in splits:
        if bar["session"] < split["execution_date"]:
            ratio *= split["split_to"] / split["split_from"]
    prices = (bar[name] / ratio for name in ("open", "high", "low", "close"))
    return (*prices, bar["volume"] * ratio)


def _equal(bar: Sequence[float], truth: Sequence[float]) -> bool:
    """Equal but for the vendor's rounding: 4 decimals of a price, whole shares of an adjusted volume."""
    *prices, volume = (abs(left - right) for left, right in zip(bar, truth, strict=True))
    return max(prices) <= 0.000051 and volume <= 0.51
