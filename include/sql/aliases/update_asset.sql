-- why: an asset as the vendor's lists show it now. Nothing is written if it stands so already.
-- params: asset_id and one for each column set; figi may be empty.
-- grain: one row if it changed. reads and writes: asset.
-- used by: storage.aliases
update asset
set
    symbol = %(symbol)s,
    vendor_symbol = %(vendor_symbol)s,
    figi = nullif(%(figi)s, ''),
    name = %(name)s,
    listed_on = %(listed_on)s::date,
    delisted_on = %(delisted_on)s::date,
    inactive_since = case when inactive_since = gone_on and %(delisted_on)s::date is null then null else inactive_since end,
    gone_on = case when inactive_since = gone_on and %(delisted_on)s::date is null then null else gone_on end
where
    asset_id = %(asset_id)s
    and (
        (symbol, vendor_symbol, coalesce(figi, ''), name, listed_on, delisted_on)
        is distinct from
        (%(symbol)s, %(vendor_symbol)s, %(figi)s, %(name)s, %(listed_on)s::date, %(delisted_on)s::date)
        or (inactive_since = gone_on and %(delisted_on)s::date is null)
    )
