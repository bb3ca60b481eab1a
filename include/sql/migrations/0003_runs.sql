-- why: what each run set out to do, what each vendor call brought, and what may be asked of a vendor.
-- grain: one row a run, a call, a capability of a key.

create table ingest_run (
    run_id bigint generated always as identity primary key,
    dag_id text not null,
    airflow_run_id text not null,
    range_name text not null,
    symbols text [],
    as_of date not null,
    state text not null default 'planned'
    check (state in ('planned', 'running', 'success', 'partial', 'failed', 'dry_run')),
    assets integer not null default 0,
    calls_done integer not null default 0,
    calls_failed integer not null default 0,
    calls_pending integer not null default 0,
    received bigint not null default 0,
    inserted bigint not null default 0,
    changed bigint not null default 0,
    unchanged bigint not null default 0,
    quarantined bigint not null default 0,
    duplicates bigint not null default 0,
    absent bigint not null default 0,
    requests integer not null default 0,
    rate_limited integer not null default 0,
    warnings jsonb not null default '[]',
    opened_at timestamptz not null default now(),
    closed_at timestamptz,
    unique (dag_id, airflow_run_id)
);
comment on table ingest_run is 'One run of a DAG, from plan to verdict.';
comment on column ingest_run.run_id is 'Identity of the run; bars name the run that stored them.';
comment on column ingest_run.dag_id is 'Airflow DAG.';
comment on column ingest_run.airflow_run_id is 'Airflow run of that DAG; a retried or cleared run keeps its row.';
comment on column ingest_run.range_name is 'Chart window asked for: 7D, 1M ... MAX.';
comment on column ingest_run.symbols is 'House symbols asked for; null: all assets.';
comment on column ingest_run.as_of is 'Date that the window ends on.';
comment on column ingest_run.state is 'planned, running, then success, partial or failed; dry_run plans only.';
comment on column ingest_run.assets is 'Number of assets that missed something when the run was planned.';
comment on column ingest_run.calls_done is 'Number of calls stored, set when the run closes.';
comment on column ingest_run.calls_failed is 'Number of calls that failed, set when the run closes.';
comment on column ingest_run.calls_pending is 'Number of calls never made, set when the run closes.';
comment on column ingest_run.received is 'Number of records that vendors sent.';
comment on column ingest_run.inserted is 'Number of bars stored for the first time.';
comment on column ingest_run.changed is 'Number of bars replaced because the vendor changed them.';
comment on column ingest_run.unchanged is 'Number of bars that were stored already.';
comment on column ingest_run.quarantined is 'Number of records refused.';
comment on column ingest_run.duplicates is 'Number of records sent twice in one answer.';
comment on column ingest_run.absent is 'Number of asset sessions proven to have no bar.';
comment on column ingest_run.requests is 'Number of HTTP requests, tries and pages included.';
comment on column ingest_run.rate_limited is 'Number of answers 429.';
comment on column ingest_run.warnings is 'Array of texts for operators.';
comment on column ingest_run.opened_at is 'Instant of the first start.';
comment on column ingest_run.closed_at is 'Instant of the last verdict; null: not closed.';

create table ingest_call (
    call_id bigint generated always as identity primary key,
    run_id bigint not null references ingest_run,
    batch integer not null check (batch >= 0),
    vendor text not null,
    kind text not null,
    asset_id bigint references asset,
    symbol text,
    first date not null,
    last date not null,
    state text not null default 'pending' check (state in ('pending', 'done', 'failed', 'superseded')),
    endpoint text,
    http_status integer,
    requests integer not null default 0,
    rate_limited integer not null default 0,
    received integer not null default 0,
    inserted integer not null default 0,
    changed integer not null default 0,
    unchanged integer not null default 0,
    quarantined integer not null default 0,
    duplicates integer not null default 0,
    absent integer not null default 0,
    received_bytes bigint not null default 0,
    elapsed_ms double precision not null default 0,
    digest text,
    outcome text,
    message text,
    warnings jsonb,
    answered_at timestamptz,
    finished_at timestamptz,
    check (first <= last)
);
comment on table ingest_call is 'One planned vendor call and what came of it. Never holds a key or a full address.';
comment on column ingest_call.call_id is 'Identity of the call.';
comment on column ingest_call.run_id is 'Run that planned it.';
comment on column ingest_call.batch is 'Number of the mapped task that makes it, from 0.';
comment on column ingest_call.vendor is 'polygon or coingecko.';
comment on column ingest_call.kind is 'ticker_range, market_day, coin_chart or coin_ohlc.';
comment on column ingest_call.asset_id is 'Asset asked for; null: the whole market.';
comment on column ingest_call.symbol is 'Vendor symbol asked for; null: the whole market.';
comment on column ingest_call.first is 'First session asked for, inclusive.';
comment on column ingest_call.last is 'Last session asked for, inclusive.';
comment on column ingest_call.state is 'pending, done, failed, or superseded: failed, then planned anew in the same run.';
comment on column ingest_call.endpoint is 'Path template without values.';
comment on column ingest_call.http_status is 'Last HTTP status; 0: no answer arrived.';
comment on column ingest_call.requests is 'Number of HTTP requests, tries and pages included.';
comment on column ingest_call.rate_limited is 'Number of answers 429.';
comment on column ingest_call.received is 'Number of records in the answer.';
comment on column ingest_call.inserted is 'Number of bars stored for the first time.';
comment on column ingest_call.changed is 'Number of bars replaced because the vendor changed them.';
comment on column ingest_call.unchanged is 'Number of bars that were stored already, or are stored in a newer version.';
comment on column ingest_call.quarantined is 'Number of records refused.';
comment on column ingest_call.duplicates is 'Number of records sent twice.';
comment on column ingest_call.absent is 'Number of asset sessions proven to have no bar.';
comment on column ingest_call.received_bytes is 'Size of the answer in bytes, as decoded.';
comment on column ingest_call.elapsed_ms is 'Time spent on the vendor in milliseconds, waits included.';
comment on column ingest_call.digest is 'SHA-256 of the bodies, hexadecimal.';
comment on column ingest_call.outcome is 'ok or empty; for a failed call the kind of its error.';
comment on column ingest_call.message is 'Cause and next step of a failed call.';
comment on column ingest_call.warnings is 'Array of texts for operators; null: none.';
comment on column ingest_call.answered_at is 'Instant at which the vendor answered.';
comment on column ingest_call.finished_at is 'Instant at which the call was stored or given up.';
create index ingest_call_run on ingest_call (run_id, batch);
create index ingest_call_answered on ingest_call (answered_at) where answered_at is not null;

create table entitlement (
    vendor text not null,
    key_digest text not null,
    capability text not null,
    allowed boolean not null,
    earliest date,
    learnt_on date not null,
    note text not null default '',
    primary key (vendor, key_digest, capability)
);
comment on table entitlement is 'What a vendor was found to allow a key; learnt from answers, never configured.';
comment on column entitlement.vendor is 'polygon or coingecko.';
comment on column entitlement.key_digest is 'First 12 hexadecimal digits of the SHA-256 of the key.';
comment on column entitlement.capability is 'What it is about, for example daily_history or market_day.';
comment on column entitlement.allowed is 'Whether the vendor gives it.';
comment on column entitlement.earliest is 'First date that the vendor gives, inclusive; null: no limit known.';
comment on column entitlement.learnt_on is 'Date on which the vendor said so; old knowledge is worth another try.';
comment on column entitlement.note is 'The words of the vendor.';
