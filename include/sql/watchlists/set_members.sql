-- why: the lists of the loaded assets become just those that the load names; lists of other assets stay.
-- params: symbols (all loaded), member_symbols and member_lists (pairs, arrays of one length).
-- grain: one row a new member. reads and writes: watchlist_member; reads: asset, watchlist.
-- used by: storage.assets
with wanted as (
    select
        w.watchlist_id,
        a.asset_id
    from unnest(%(member_symbols)s::text [], %(member_lists)s::text []) as m (symbol, list_name)
    inner join asset as a on m.symbol = a.symbol
    inner join watchlist as w on m.list_name = w.name
),

dropped as (
    delete from watchlist_member as m
    using asset as a
    where
        a.asset_id = m.asset_id
        and a.symbol = any(%(symbols)s::text [])
        and not exists (
            select from wanted as w
            where w.watchlist_id = m.watchlist_id and w.asset_id = m.asset_id
        )
)

insert into watchlist_member (watchlist_id, asset_id)
select
    watchlist_id,
    asset_id
from wanted
on conflict do nothing
