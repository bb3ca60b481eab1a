-- why: a vendor's hours of one asset, a few rows, wait for the merge.
-- params: asset_id, run_id, at (instant of the answer), source; starts_at, opens, highs, lows, closes, volumes, vwaps, trades, finals
--         (arrays of one length).
-- grain: one row an hour. writes: staged_bar_hourly.
-- used by: storage.hourly_bars
insert into staged_bar_hourly (
    asset_id, starts_at, fetched_at, run_id, open, high, low, close, volume, vwap, trades, is_final, source
)
select
    %(asset_id)s::bigint,
    h.starts_at,
    %(at)s::timestamptz,
    %(run_id)s::bigint,
    h.open,
    h.high,
    h.low,
    h.close,
    h.volume,
    h.vwap,
    h.trades,
    h.is_final,
    %(source)s
from unnest(
    %(starts_at)s::timestamptz [],
    %(opens)s::double precision [],
    %(highs)s::double precision [],
    %(lows)s::double precision [],
    %(closes)s::double precision [],
    %(volumes)s::double precision [],
    %(vwaps)s::double precision [],
    %(trades)s::bigint [],
    %(finals)s::boolean []
) as h (starts_at, open, high, low, close, volume, vwap, trades, is_final)
