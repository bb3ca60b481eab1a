-- why: for each bar that should exist, whether it is stored, proven absent, or missing and why.
-- grain: one row an asset and interval; a proven absence; an open or resolved failure; a refused record.

create table coverage (
    asset_id bigint not null references asset,
    interval text not null check (interval in ('1d', '1h')),
    verified datemultirange not null default '{}',
    provisional datemultirange not null default '{}',
    updated_at timestamptz not null,
    primary key (asset_id, interval),
    check (not verified && provisional)
) with (fillfactor = 70);
comment on table coverage is 'The days for which a vendor gave an authoritative answer. Missing = expected - covered.';
comment on column coverage.asset_id is 'The asset.';
comment on column coverage.interval is '1d or 1h.';
comment on column coverage.verified is 'Days answered for good: stored final, or proven absent. Days without trading just before them are part of it.';
comment on column coverage.provisional is 'Days whose bar was seen before the day was over; they count as covered only on that day.';
comment on column coverage.updated_at is 'Instant of the last change.';

create table absence (
    asset_id bigint not null references asset,
    interval text not null check (interval in ('1d', '1h')),
    session date not null,
    call_id bigint not null references ingest_call,
    digest text not null,
    proven_at timestamptz not null,
    primary key (asset_id, interval, session)
);
comment on table absence is 'The evidence that a bar does not exist: a well-formed, entitled, empty answer.';
comment on column absence.asset_id is 'The asset.';
comment on column absence.interval is '1d or 1h.';
comment on column absence.session is 'The session without a bar.';
comment on column absence.call_id is 'Call whose answer proves it.';
comment on column absence.digest is 'SHA-256 of the answer, hexadecimal.';
comment on column absence.proven_at is 'Instant at which the vendor answered.';

create table fetch_failure (
    failure_id bigint generated always as identity primary key,
    vendor text not null,
    interval text not null check (interval in ('1d', '1h')),
    asset_id bigint references asset,
    sessions datemultirange not null,
    kind text not null,
    message text not null,
    next_step text not null,
    attempts integer not null default 1,
    first_failed_at timestamptz not null,
    last_failed_at timestamptz not null,
    retry_at timestamptz,
    run_id bigint not null references ingest_run,
    call_id bigint not null references ingest_call,
    resolved_at timestamptz
);
comment on table fetch_failure is 'Why something is missing: one open row an asset, or one for the whole market. Never touches coverage.';
comment on column fetch_failure.failure_id is 'Identity of the failure.';
comment on column fetch_failure.vendor is 'polygon or coingecko.';
comment on column fetch_failure.interval is '1d or 1h.';
comment on column fetch_failure.asset_id is 'The asset; null: the whole market.';
comment on column fetch_failure.sessions is 'Sessions still without an answer; shrinks as answers arrive.';
comment on column fetch_failure.kind is 'Kind of the last error.';
comment on column fetch_failure.message is 'What failed and why, the last time.';
comment on column fetch_failure.next_step is 'What the reader can do about it.';
comment on column fetch_failure.attempts is 'Number of calls that failed.';
comment on column fetch_failure.first_failed_at is 'Instant of the first of them.';
comment on column fetch_failure.last_failed_at is 'Instant of the last of them.';
comment on column fetch_failure.retry_at is 'Instant from which another try makes sense; null: only after somebody acted.';
comment on column fetch_failure.run_id is 'Run of the last failed call.';
comment on column fetch_failure.call_id is 'The last failed call.';
comment on column fetch_failure.resolved_at is 'Instant at which the last session was answered; null: open.';
create unique index fetch_failure_open on fetch_failure (vendor, interval, asset_id) nulls not distinct
where resolved_at is null;

create table quarantine (
    quarantine_id bigint generated always as identity primary key,
    call_id bigint not null references ingest_call,
    asset_id bigint references asset,
    symbol text not null,
    session date,
    record jsonb not null,
    reason text not null,
    received_at timestamptz not null
);
comment on table quarantine is 'Records refused, as they came, with the reason.';
comment on column quarantine.quarantine_id is 'Identity of the refusal.';
comment on column quarantine.call_id is 'Call whose answer held the record.';
comment on column quarantine.asset_id is 'The asset, where the symbol is one of ours.';
comment on column quarantine.symbol is 'Vendor symbol of the record.';
comment on column quarantine.session is 'Session of the record, where it can be told.';
comment on column quarantine.record is 'The record; numbers that JSON cannot hold are texts.';
comment on column quarantine.reason is 'Which rule refused it.';
comment on column quarantine.received_at is 'Instant at which the vendor answered.';
create index quarantine_call on quarantine (call_id);
