-- why: what realtime asks for: what somebody watches, as long as it is followed and traded.
-- params: none. grain: one row an asset. reads: asset, watchlist_member, market_overview.
-- used by: storage.prices
select
    a.asset_id,
    a.symbol,
    a.asset_class,
    a.vendor_symbol,
    a.listed_on,
    a.delisted_on
from asset as a
where
    a.inactive_since is null
    and (a.delisted_on is null or a.delisted_on >= market_date())
    and (
        exists (select from watchlist_member as m where m.asset_id = a.asset_id)
        or exists (select from market_overview as o where o.asset_id = a.asset_id)
    )
order by a.asset_id
