-- why: more assets on one list.
-- params: name, symbols. grain: one row a new member. reads: asset, watchlist. writes: watchlist_member.
-- used by: storage.watchlists
insert into watchlist_member (watchlist_id, asset_id)
select
    w.watchlist_id,
    a.asset_id
from watchlist as w
cross join asset as a
where w.name = %(name)s and a.symbol = any(%(symbols)s::text [])
on conflict do nothing
