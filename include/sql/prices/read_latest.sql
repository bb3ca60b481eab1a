-- why: the newest prices, of an answer's assets for the cache, or of symbols for a reader.
-- params: asset_ids, symbols (house symbols; one of the two is null). grain: one row an asset with a price.
-- reads: latest_price, asset.
-- used by: storage.prices
select
    p.asset_id,
    a.symbol,
    a.asset_class,
    p.at,
    p.price,
    p.previous_close,
    p.previous_session,
    p.change,
    p.change_percent,
    p.volume,
    p.volume_24h,
    p.session,
    p.source,
    p.delayed,
    p.fetched_at,
    p.seen_at
from latest_price as p
inner join asset as a on p.asset_id = a.asset_id
where
    p.asset_id = any(
        coalesce(
            %(asset_ids)s::bigint [],
            array(select n.asset_id from asset as n where n.symbol = any(%(symbols)s::text []))
        )
    )
order by p.asset_id
