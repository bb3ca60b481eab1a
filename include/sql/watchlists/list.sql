-- why: which lists there are.
-- params: none. grain: one row a list, by name. reads: watchlist, watchlist_member.
-- used by: storage.watchlists
select
    w.name,
    count(m.asset_id) as assets
from watchlist as w
left join watchlist_member as m on w.watchlist_id = m.watchlist_id
group by w.watchlist_id
order by w.name
