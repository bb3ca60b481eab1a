-- why: one writer at a time an asset; whole-market writers wait too. Always market first, then asset: no deadlock.
-- params: vendor, asset_id. grain: one row. reads and writes: nothing; held until the transaction ends.
-- used by: storage.bar_writer, storage.aliases
select
    pg_advisory_xact_lock_shared(7301, hashtext(%(vendor)s::text)) as market,
    pg_advisory_xact_lock(7302, (%(asset_id)s::bigint %% 2147483647)::integer) as asset
