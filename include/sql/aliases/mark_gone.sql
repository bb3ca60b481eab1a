-- why: the vendor does not know the symbol: daily tries end, the history stays. A later sync, or loading the asset again,
--      follows it anew.
-- params: asset_id, on (date). grain: one row, or none if nobody followed it any more. writes: asset.
-- used by: storage.aliases
update asset
set inactive_since = %(on)s::date, gone_on = %(on)s::date
where asset_id = %(asset_id)s and inactive_since is null
