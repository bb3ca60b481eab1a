-- why: who is on a list.
-- params: name. grain: one row an asset, by symbol. reads: watchlist, watchlist_member, asset.
-- used by: storage.watchlists
select
    a.symbol,
    a.asset_class,
    a.name,
    a.inactive_since
from watchlist as w
inner join watchlist_member as m on w.watchlist_id = m.watchlist_id
inner join asset as a on m.asset_id = a.asset_id
where w.name = %(name)s
order by a.symbol
