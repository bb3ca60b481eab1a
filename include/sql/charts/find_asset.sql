-- why: what a chart must know of its asset.
-- params: symbol (house symbol). grain: one row, none for an unknown symbol. reads: asset.
-- used by: storage.charts
select
    asset_id,
    asset_class
from asset
where symbol = %(symbol)s
