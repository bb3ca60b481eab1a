-- why: store the bars of an import that are new; none of them is stored already, see judge_daily.
-- params: at (instant of the import), run_id, source. grain: one row a bar. reads: staged_import. writes: bar_daily.
-- used by: storage.imports
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
where outcome = 'inserted'
order by asset_id, session
