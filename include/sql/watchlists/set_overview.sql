-- why: the market overview's places of the loaded assets become just those that the load names.
-- params: symbols, positions (arrays of one length; null: not in the overview).
-- grain: one row a place written. reads and writes: market_overview; reads: asset.
-- used by: storage.assets, storage.watchlists
with given as (
    select
        a.asset_id,
        g.position
    from unnest(%(symbols)s::text [], %(positions)s::integer []) as g (symbol, position)
    inner join asset as a on g.symbol = a.symbol
),

dropped as (
    delete from market_overview as m
    using given as g
    where g.asset_id = m.asset_id and g.position is null
)

insert into market_overview as m (asset_id, position)
select
    asset_id,
    position
from given
where position is not null
on conflict (asset_id) do update set position = excluded.position
where m.position <> excluded.position
