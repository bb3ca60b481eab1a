-- why: to name near matches of a symbol that does not exist.
-- params: none. grain: one row an asset. reads: asset.
-- used by: storage.assets, storage.imports
select symbol from asset order by symbol
