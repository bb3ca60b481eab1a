-- why: whose rows a file's symbols mean: the asset that bears a symbol now, and those that bore it before.
-- params: symbols. grain: one row an asset that bears a symbol, one a time in which it bore it. reads: asset, asset_alias.
-- used by: storage.imports
select
    g.symbol as given,
    a.asset_id,
    a.symbol,
    a.asset_class,
    true as is_present,
    null::date as first,
    null::date as until
from unnest(%(symbols)s::text []) as g (symbol)
inner join asset as a on g.symbol = a.symbol
union all
select
    n.symbol as given,
    a.asset_id,
    a.symbol,
    a.asset_class,
    false as is_present,
    lower(n.valid) as first,
    upper(n.valid) as until
from asset_alias as n
inner join asset as a on n.asset_id = a.asset_id
where n.symbol = any(%(symbols)s::text [])
