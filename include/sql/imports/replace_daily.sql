-- why: a bar that an import before brought otherwise is replaced, and what it was is kept.
-- params: at (instant of the import), run_id, source. grain: one row a bar. reads: staged_import. reads and writes: bar_daily.
--         writes: bar_revision.
-- used by: storage.imports
with revised as (
    insert into bar_revision (
        asset_id, interval, session, open, high, low, close, volume, volume_24h, vwap, trades, source, is_final,
        first_seen_at, replaced_at, run_id, replaced_by_run_id
    )
    select
        b.asset_id,
        '1d',
        b.session,
        b.open,
        b.high,
        b.low,
        b.close,
        b.volume,
        b.volume_24h,
        b.vwap,
        b.trades,
        b.source,
        b.is_final,
        b.fetched_at,
        %(at)s::timestamptz,
        b.run_id,
        %(run_id)s::bigint
    from staged_import as s
    cross join lateral (
        select stored.*
        from bar_daily as stored
        where stored.asset_id = s.asset_id and stored.session = s.session
        order by stored.session
        limit 1
    ) as b
    where s.outcome = 'changed'
)

insert into bar_daily (
    asset_id, fetched_at, run_id, open, high, low, close, volume, volume_24h, vwap, trades, session, is_final,
    source
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
    volume_24h,
    vwap,
    trades,
    session,
    true,
    %(source)s
from staged_import
where outcome = 'changed'
order by asset_id, session
on conflict (asset_id, session) do update
set
    fetched_at = excluded.fetched_at,
    run_id = excluded.run_id,
    open = excluded.open,
    high = excluded.high,
    low = excluded.low,
    close = excluded.close,
    volume = excluded.volume,
    volume_24h = excluded.volume_24h,
    vwap = excluded.vwap,
    trades = excluded.trades,
    is_final = excluded.is_final,
    source = excluded.source
