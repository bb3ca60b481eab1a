-- why: which features the database has.
-- params: none. grain: one row: version of TimescaleDB (null if absent) and its licence. reads: the catalog.
-- used by: storage.timescale
select
    (select extversion from pg_extension where extname = 'timescaledb') as version,
    current_setting('timescaledb.license', true) as licence
