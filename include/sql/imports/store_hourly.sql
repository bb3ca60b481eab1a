-- why: store the bars of an import that are new, and replace those that an import before brought otherwise, keeping what they
--      were. None of them is a vendor's, see judge_hourly; one that a vendor has stored since then stays, too.
-- params: at (instant of the import), run_id, source. grain: one row a bar. reads: staged_import. reads and writes: bar_hourly.
--         writes: bar_revision.
-- used by: storage.imports
with revised as (
    insert into bar_revision (
        asset_id, starts_at, first_seen_at, run_id, open, high, low, close, volume, vwap, trades, is_final, source,
        interval, replaced_at, replaced_by_run_id
    )
    select
        b.*, -- in the order of the table
        '1h',
        %(at)s::timestamptz,
        %(run_id)s::bigint
    from staged_import as s
    cross join lateral (
        select stored.*
        from bar_hourly as stored
        where stored.asset_id = s.asset_id and stored.starts_at = s.starts_at
        order by stored.starts_at
        limit 1
    ) as b
    where s.outcome = 'changed' and starts_with(b.source, 'import:')
)

insert into bar_hourly as present (
    asset_id, fetched_at, run_id, open, high, low, close, volume, vwap, trades, starts_at, is_final, source
)
select
    asset_id,
    %(at)s::timestamptz,
    %(run_id)s::bigint,
    open,
    high,
    low,
    close,
    volume,
    vwap,
    trades,
    starts_at,
    true,
    %(source)s
from staged_import
where outcome in ('inserted', 'changed')
order by asset_id, starts_at
on conflict (asset_id, starts_at) do update
set
    fetched_at = excluded.fetched_at,
    run_id = excluded.run_id,
    open = excluded.open,
    high = excluded.high,
    low = excluded.low,
    close = excluded.close,
    volume = excluded.volume,
    vwap = excluded.vwap,
    trades = excluded.trades,
    is_final = excluded.is_final,
    source = excluded.source
where starts_with(present.source, 'import:')
