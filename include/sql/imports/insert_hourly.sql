-- why: store the bars of an import that are new; none of them is stored already, see judge_hourly.
-- params: at (instant of the import), run_id, source. grain: one row a bar. reads: staged_import. writes: bar_hourly.
-- used by: storage.imports
insert into bar_hourly (
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
where outcome = 'inserted'
order by asset_id, starts_at
