-- why: nothing is known of a temporary table, and little of a young one: a nested loop over both took 11 s for what a hash
--      join does in 20 ms. And an import may touch more of a compressed chunk than TimescaleDB, where it is there, allows one
--      transaction by default.
-- params: none. grain: one row a setting changed. reads: pg_settings. writes: nothing; holds until the transaction ends.
-- used by: storage.imports
select set_config(name, case name when 'enable_nestloop' then 'off' else '0' end, true) as changed
from pg_settings
where name in ('enable_nestloop', 'timescaledb.max_tuples_decompressed_per_dml_transaction')
