-- why: before an asset is added: what its house symbol means already, or under which one its coin is followed.
-- params: symbol, coin_id (null: no coin). grain: one row an asset, at most two. reads: asset.
-- used by: storage.followed_assets
select
    symbol,
    asset_class,
    vendor_symbol,
    name,
    inactive_since
from asset
where symbol = %(symbol)s or (asset_class = 'crypto' and vendor_symbol = %(coin_id)s::text)
order by symbol = %(symbol)s desc
