-- why: the hours of the newest session that an asset has hours of, as a chart shows them: on today's share count, raw, or
--      with later dividends worked in too. Most days that session is today, and the three are the same.
-- params: asset_id, symbol, zone (time zone of its sessions), adjusted (none, splits or total-return).
-- grain: one row an hour, oldest first. reads: bar_hourly, adjustment_factor (split, dividend).
-- used by: storage.charts
with newest as (
    select (starts_at at time zone %(zone)s)::date as session
    from bar_hourly
    where asset_id = %(asset_id)s::bigint
    order by starts_at desc
    limit 1
)

select
    h.asset_id,
    %(symbol)s::text as symbol,
    h.starts_at,
    h.open * coalesce(f.price_factor, 1) as open,
    h.high * coalesce(f.price_factor, 1) as high,
    h.low * coalesce(f.price_factor, 1) as low,
    h.close * coalesce(f.price_factor, 1) as close,
    h.volume / coalesce(f.share_factor, 1) as volume,
    h.is_final,
    h.source,
    h.fetched_at
from newest as n
inner join bar_hourly as h
    on
        h.starts_at >= n.session::timestamp at time zone %(zone)s
        and h.starts_at < (n.session + 1)::timestamp at time zone %(zone)s
left join adjustment_factor as f
    on h.asset_id = f.asset_id and n.session >= f.first and n.session < f.until and f.adjusted = %(adjusted)s::text
where h.asset_id = %(asset_id)s::bigint
order by h.starts_at
