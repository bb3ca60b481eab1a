-- why: hours for the cache and for readers.
-- params: asset_ids, first (inclusive), last (exclusive; instants). grain: one row an hour. reads: bar_hourly, asset.
-- used by: storage.hourly_bars
select
    b.asset_id,
    a.symbol,
    b.starts_at,
    b.open,
    b.high,
    b.low,
    b.close,
    b.volume,
    b.is_final,
    b.source,
    b.fetched_at
from unnest(%(asset_ids)s::bigint []) as wanted (asset_id)
inner join asset as a on wanted.asset_id = a.asset_id
cross join lateral (
    select h.*
    from bar_hourly as h
    where h.asset_id = a.asset_id and h.starts_at >= %(first)s::timestamptz and h.starts_at < %(last)s::timestamptz
    order by h.starts_at
    offset 0 -- keeps it one index scan an asset, whatever the statistics
) as b
order by b.asset_id, b.starts_at
