-- why: a house symbol follows its ticker to another asset; the asset that had it is called after its last session.
-- params: symbol, asset_id (the asset that takes it), today (for an asset without bars).
-- grain: one row, the new house symbol of the asset that had it, or none. reads: bar_daily. reads and writes: asset.
-- used by: storage.aliases
with holder as (
    select
        a.asset_id,
        coalesce(a.delisted_on, max(b.session), %(today)s::date) as last
    from asset as a
    left join bar_daily as b on a.asset_id = b.asset_id
    where a.symbol = %(symbol)s and a.asset_id <> %(asset_id)s
    group by a.asset_id
)

update asset as a
set symbol = a.vendor_symbol || to_char(h.last, '"-"YYYYMMDD')
from holder as h
where a.asset_id = h.asset_id
returning a.symbol
