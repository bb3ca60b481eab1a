-- why: the series of some assets as a file has them: raw or adjusted, present or as known at an instant. The adjusted ones
--      are those of the views, made here from the versions known then; splits and dividends count up to the date of the
--      setting marketdata.now, as they are known today.
-- params: asset_ids, first, last (sessions, inclusive), known_at (instant; infinity: the present versions), adjusted (none,
--         splits or total-return), is_guarded (texts that a spreadsheet would take for a formula get a ' in front).
-- grain: one row a bar, by symbol and session. reads: bar_daily_as_of (bar_daily, bar_revision), asset,
--        adjustment_factor (split, dividend).
-- used by: storage.exports
with chosen as (
    select
        asset_id,
        case when %(is_guarded)s::boolean then regexp_replace(symbol, '^(?=[-=+@\t\r])', '''') else symbol end as symbol
    from asset
    where asset_id = any(%(asset_ids)s::bigint [])
),

factor as (
    select *
    from adjustment_factor
    where adjusted = %(adjusted)s::text and asset_id = any(%(asset_ids)s::bigint [])
)

select
    c.symbol,
    k.session,
    k.open * coalesce(f.price_factor, 1) as open,
    k.high * coalesce(f.price_factor, 1) as high,
    k.low * coalesce(f.price_factor, 1) as low,
    k.close * coalesce(f.price_factor, 1) as close,
    k.volume / coalesce(f.share_factor, 1) as volume,
    k.volume_24h,
    k.vwap * coalesce(f.price_factor, 1) as vwap,
    k.trades,
    k.is_final::text as is_final,
    coalesce(f.price_factor, 1) as factor,
    case when %(is_guarded)s::boolean then regexp_replace(k.source, '^(?=[-=+@\t\r])', '''') else k.source end as source,
    k.known_since
from chosen as c
cross join lateral bar_daily_as_of(c.asset_id, %(first)s::date, %(last)s::date, %(known_at)s::timestamptz) as k
left join factor as f on c.asset_id = f.asset_id and k.session >= f.first and k.session < f.until
order by c.symbol, k.session
