-- why: fewer assets on one list; the assets themselves stay as they are.
-- params: name, symbols. grain: one row a former member. reads: asset, watchlist. writes: watchlist_member.
-- used by: storage.watchlists
delete from watchlist_member as m
using watchlist as w, asset as a
where
    w.watchlist_id = m.watchlist_id
    and a.asset_id = m.asset_id
    and w.name = %(name)s
    and a.symbol = any(%(symbols)s::text [])
