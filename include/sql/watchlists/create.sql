-- why: the lists that a load names.
-- params: names (array). grain: one row a list. writes: watchlist.
-- used by: storage.assets, storage.watchlists
insert into watchlist (name)
select n.name from unnest(%(names)s::text []) as n (name)
on conflict (name) do nothing
