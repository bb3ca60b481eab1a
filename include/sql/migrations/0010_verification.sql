-- why: what is stored is compared with the vendor again and again, and cheaply: one digest for an asset's calendar year
--      answers for all of its bars.
-- grain: one row an asset, interval and calendar year.
-- A writer deletes the digests of the years that it writes into; the next comparison makes them again.

create table bar_digest (
    asset_id bigint not null references asset,
    interval text not null check (interval in ('1d', '1h')),
    year integer not null,
    bars integer not null check (bars >= 0),
    first date,
    last date,
    digest text not null,
    computed_at timestamptz not null,
    primary key (asset_id, interval, year),
    check (num_nulls(first, last) = case bars when 0 then 2 else 0 end)
);
comment on table bar_digest is 'What is stored of an asset in a calendar year, in one digest. A missing row means: not computed since the last write.';
comment on column bar_digest.asset_id is 'The asset.';
comment on column bar_digest.interval is '1d or 1h.';
comment on column bar_digest.year is 'Calendar year of the sessions.';
comment on column bar_digest.bars is 'Number of final bars stored.';
comment on column bar_digest.first is 'First session with a final bar; null: none.';
comment on column bar_digest.last is 'Last session with a final bar; null: none.';
comment on column bar_digest.digest is 'SHA-256 over session and figures of all final bars, bit for bit, hexadecimal.';
comment on column bar_digest.computed_at is 'Instant at which it was computed from the stored rows.';

alter table coverage add column compared_at timestamptz;
comment on column coverage.compared_at is 'Instant of the answer with which what is stored was last compared, as far as the plan reaches; null: never.';

alter table ingest_call
add column purpose text not null default 'fill'
check (purpose in ('fill', 'verify', 'reference', 'proof', 'import')),
add column differing integer not null default 0;
comment on column ingest_call.purpose is 'fill what is missing, verify what is stored, reference (company events), proof (of our adjustment), or import.';
comment on column ingest_call.differing is 'Number of bars that a comparison found changed, not stored, or stored and not sent.';

alter table ingest_run
add column verified integer not null default 0,
add column differing integer not null default 0,
add column naive_calls integer not null default 0;
comment on column ingest_run.verified is 'Number of assets whose stored history was compared with the vendor.';
comment on column ingest_run.differing is 'Number of them that differed from the vendor.';
comment on column ingest_run.naive_calls is 'Calls that a full download would take: one for the whole history of each asset asked for.';
