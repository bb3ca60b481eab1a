-- why: the vendor does not know the symbol: daily tries end, the history stays. A later sync, or loading the asset again,
--      follows it anew. A former ticker that it does not know says nothing about the present one.
-- params: asset_id, vendor_symbol (what was asked for), on (date). grain: one row, or none if nobody followed it any more. writes: asset.
-- used by: storage.aliases
update asset
set inactive_since = %(on)s::date, gone_on = %(on)s::date
where asset_id = %(asset_id)s and vendor_symbol = %(vendor_symbol)s and inactive_since is null
