-- why: nobody follows it any more: no run asks for it. All that is stored of it stays, its place on lists too.
-- params: symbols, on (date from which it is not followed). grain: one row an asset that was followed. writes: asset.
-- used by: storage.followed_assets
update asset
set inactive_since = %(on)s::date
where symbol = any(%(symbols)s::text []) and inactive_since is null
returning symbol
