-- why: whether this database was ever migrated.
-- params: none. grain: one row, null if not. reads: the catalog.
-- used by: storage.migrations
select to_regclass('marketdata.schema_migration')
