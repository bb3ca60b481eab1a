-- why: there is no list of coins to tell that a coin is back: one that the vendor did not know is tried again after a while.
-- params: before (date). grain: one row a coin. writes: asset.
-- used by: storage.aliases
update asset
set inactive_since = null, gone_on = null
where asset_class = 'crypto' and inactive_since = gone_on and gone_on <= %(before)s::date
returning symbol
