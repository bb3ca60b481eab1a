-- why: note that a migration began or is complete.
-- params: name, checksum (SHA-256, hexadecimal), is_complete. grain: one row. writes: schema_migration.
-- used by: storage.migrations
insert into marketdata.schema_migration (name, checksum, is_complete)
values (%(name)s, %(checksum)s, %(is_complete)s)
on conflict (name) do update
set checksum = excluded.checksum, is_complete = excluded.is_complete, applied_at = now()
