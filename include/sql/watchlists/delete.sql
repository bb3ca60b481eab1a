-- why: a list that nobody wants any more; its members stay assets.
-- params: name. grain: one row or none. writes: watchlist, watchlist_member.
-- used by: storage.watchlists
delete from watchlist
where name = %(name)s
