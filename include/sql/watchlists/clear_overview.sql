-- why: the market overview is set anew: who is not named any more leaves it.
-- params: symbols (those that stay). grain: one row a place left. reads: asset. writes: market_overview.
-- used by: storage.watchlists
delete from market_overview as o
using asset as a
where a.asset_id = o.asset_id and not a.symbol = any(%(symbols)s::text [])
