-- why: whom a symbol means on a day: the asset of that name, else the one that had it as a ticker then, or ever.
-- params: symbol, day. grain: one row an asset, the best first. reads: asset, asset_alias.
-- used by: storage.day_facts
select
    a.asset_id,
    a.symbol,
    a.asset_class,
    a.vendor_symbol,
    a.listed_on,
    a.delisted_on,
    a.inactive_since,
    a.gone_on,
    coalesce((
        select min(n.symbol)
        from asset_alias as n
        where n.asset_id = a.asset_id and n.valid @> %(day)s::date
    ), '') as ticker_then,
    coalesce((
        select min(o.symbol)
        from asset_alias as n
        inner join asset as o on n.asset_id = o.asset_id
        where n.symbol = %(symbol)s and n.valid @> %(day)s::date and n.asset_id <> a.asset_id
    ), '') as ticker_meant
from asset as a
where
    a.symbol = %(symbol)s
    or exists (select from asset_alias as n where n.asset_id = a.asset_id and n.symbol = %(symbol)s)
order by
    a.symbol = %(symbol)s desc,
    exists (
        select from asset_alias as n
        where n.asset_id = a.asset_id and n.symbol = %(symbol)s and n.valid @> %(day)s::date
    ) desc,
    a.asset_id asc
limit 1
