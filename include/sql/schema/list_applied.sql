-- why: what is applied, to compare with the files.
-- params: none. grain: one row a migration. reads: schema_migration.
-- used by: storage.migrations
select
    name,
    checksum,
    is_complete
from marketdata.schema_migration
order by name
