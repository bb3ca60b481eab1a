-- why: under which symbols front ends know assets whose charts have changed.
-- params: asset_ids. grain: one row an asset. reads: asset.
-- used by: storage.assets
select symbol from asset where asset_id = any(%(asset_ids)s)
