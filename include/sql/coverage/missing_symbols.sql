-- why: whom the answer to a market day is for: the followed assets that miss its session, under the ticker of that day. A
--      ticker that was another asset's of ours on that day is nobody else's.
-- params: asset_classes, session, today (a bar seen before its day was over covers that day until the day has passed).
-- grain: one row an asset. reads: asset, asset_alias, coverage.
-- used by: storage.gaps
with ended as (
    select
        symbol,
        asset_id
    from asset_alias
    where valid @> %(session)s::date and not upper_inf(valid)
)

select
    coalesce(n.symbol, a.vendor_symbol) as vendor_symbol,
    a.asset_id
from asset as a
left join coverage as c on a.asset_id = c.asset_id and c.interval = '1d'
left join asset_alias as n on a.asset_id = n.asset_id and n.valid @> %(session)s::date
left join ended as e on coalesce(n.symbol, a.vendor_symbol) = e.symbol and a.asset_id <> e.asset_id
where
    a.asset_class = any(%(asset_classes)s::text [])
    and a.inactive_since is null
    and %(session)s::date >= coalesce(a.listed_on, '-infinity')
    and %(session)s::date <= coalesce(a.delisted_on, 'infinity')
    and not coalesce(c.verified @> %(session)s::date, false)
    and not (%(session)s::date >= %(today)s::date and coalesce(c.provisional @> %(session)s::date, false))
    and (e.asset_id is null or not coalesce(upper_inf(n.valid), true))
