-- why: an asset that the vendor names without a price is quiet, one that it no longer names is lost: freshness tells them apart.
-- params: asset_ids, at (instant of the answer). grain: one row an asset with a price. writes: latest_price.
-- used by: storage.prices
update latest_price
set seen_at = %(at)s::timestamptz
where asset_id = any(%(asset_ids)s::bigint []) and seen_at < %(at)s::timestamptz
