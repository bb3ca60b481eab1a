-- why: which of some symbols are assets, priced or not.
-- params: symbols. grain: one row an asset. reads: asset.
-- used by: storage.charts
select symbol
from asset
where symbol = any(%(symbols)s::text [])
