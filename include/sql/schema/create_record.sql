-- why: which migrations were applied, and from which text.
-- params: none. grain: one row a file. writes: schema_migration.
-- used by: storage.migrations
create table if not exists marketdata.schema_migration (
    name text primary key,
    checksum text not null,
    is_complete boolean not null,
    applied_at timestamptz not null default now()
)
