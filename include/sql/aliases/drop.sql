-- why: a ticker history is written anew as a whole.
-- params: asset_id. grain: one row a period. writes: asset_alias.
-- used by: storage.aliases
delete from asset_alias
where asset_id = %(asset_id)s
