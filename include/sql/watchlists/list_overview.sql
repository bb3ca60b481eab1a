-- why: who is in the market overview.
-- params: none. grain: one row an asset, by place. reads: market_overview, asset.
-- used by: storage.watchlists
select
    a.symbol,
    a.asset_class,
    a.name,
    a.inactive_since
from market_overview as o
inner join asset as a on o.asset_id = a.asset_id
order by o.position, a.symbol
