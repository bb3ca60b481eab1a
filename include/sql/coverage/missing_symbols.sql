-- why: whom the answer to a market day is for: the followed assets that miss its session.
-- params: asset_classes, session, today (a bar seen before its day was over covers that day until the day has passed).
-- grain: one row an asset. reads: asset, coverage.
-- used by: storage.gaps
select
    a.vendor_symbol,
    a.asset_id
from asset as a
left join coverage as c on a.asset_id = c.asset_id and c.interval = '1d'
where
    a.asset_class = any(%(asset_classes)s::text [])
    and a.inactive_since is null
    and %(session)s::date >= coalesce(a.listed_on, '-infinity')
    and %(session)s::date <= coalesce(a.delisted_on, 'infinity')
    and not coalesce(c.verified @> %(session)s::date, false)
    and not (%(session)s::date >= %(today)s::date and coalesce(c.provisional @> %(session)s::date, false))
