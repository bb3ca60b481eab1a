"""All that is recorded about one asset on one day: what an explanation is made of. Instants are aware, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from marketdata.domain.bars import AssetClass, Vendor


@dataclass(frozen=True, slots=True)
class Subject:
    """The asset. ``ticker_then`` is what the vendor called it on the day, ``ticker_meant`` whom the symbol asked for
    meant on the day, where that was another asset; both empty where nothing is known.
    """

    asset_id: int
    symbol: str
    asset_class: AssetClass
    vendor: Vendor
    vendor_symbol: str
    listed_on: date | None
    delisted_on: date | None
    inactive_since: date | None
    gone_on: date | None
    ticker_then: str
    ticker_meant: str


@dataclass(frozen=True, slots=True)
class StoredBar:
    """The bar as stored, raw prices in US dollars, and the run that stored this version."""

    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None
    volume_24h: float | None
    vwap: float | None
    trades: int | None
    source: str
    is_final: bool
    fetched_at: datetime
    run_id: int
    dag_id: str
    airflow_run_id: str


@dataclass(frozen=True, slots=True)
class ProvenAbsence:
    """The evidence that there is no bar: a call, and the SHA-256 of its answer."""

    call_id: int
    run_id: int
    digest: str
    proven_at: datetime
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class OpenFailure:
    """A failure that still holds the day, of the asset or of the whole market."""

    vendor: str
    whole_market: bool
    kind: str
    message: str
    next_step: str
    attempts: int
    first_failed_at: datetime
    last_failed_at: datetime
    retry_at: datetime | None
    run_id: int
    call_id: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record of the day that was refused, as it came."""

    reason: str
    record: dict[str, object]
    received_at: datetime
    call_id: int
    run_id: int


@dataclass(frozen=True, slots=True)
class LedgerCall:
    """A call that asked for the day, for the asset or the whole market; ``ended_at`` with an answer or without one."""

    call_id: int
    run_id: int
    dag_id: str
    airflow_run_id: str
    kind: str
    purpose: str
    symbol: str | None
    first: date
    last: date
    state: str
    outcome: str | None
    http_status: int | None
    received: int
    message: str | None
    warnings: list[str] | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class EarlierBar:
    """What the bar was before the vendor changed it."""

    open: float | None
    high: float | None
    low: float | None
    close: float
    volume: float | None
    volume_24h: float | None
    vwap: float | None
    trades: int | None
    is_final: bool
    first_seen_at: datetime
    replaced_at: datetime
    run_id: int
    replaced_by_run_id: int


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back the daily history of the vendor's plan goes, seen from today; found out on ``learnt_on``."""

    earliest: date
    learnt_on: date
    probed_anew_on: date
    key_digest: str
    note: str


@dataclass(frozen=True, slots=True)
class DayFacts:
    """Everything about ``subject`` on ``day``. ``calls`` are the newest ones, ``revisions`` from old to new."""

    day: date
    subject: Subject
    is_verified: bool
    is_provisional: bool
    compared_at: datetime | None
    bar: StoredBar | None
    absence: ProvenAbsence | None
    failures: tuple[OpenFailure, ...]
    refusals: tuple[Refusal, ...]
    calls: tuple[LedgerCall, ...]
    revisions: tuple[EarlierBar, ...]
    reach: Reach | None
