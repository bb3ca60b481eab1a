-- why: the assets of a run.
-- params: symbols (house symbols; null: all that are followed). grain: one row an asset. reads: asset.
-- used by: storage.assets
select
    asset_id,
    symbol,
    asset_class,
    vendor_symbol,
    listed_on,
    delisted_on
from asset
where
    case
        when %(symbols)s::text [] is null then inactive_since is null
        else symbol = any(%(symbols)s::text [])
    end
order by asset_id
