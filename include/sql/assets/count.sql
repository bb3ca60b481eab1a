-- why: a database without assets fetches nothing.
-- params: none. grain: one row. reads: asset.
-- used by: storage.doctor
select count(*) from asset
where inactive_since is null
