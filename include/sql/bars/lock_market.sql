-- why: a whole-market answer touches the bars and the coverage of all assets: one writer at a time.
-- params: vendor. grain: one row. reads and writes: nothing; held until the transaction ends.
-- used by: storage.bar_writer, storage.imports
select pg_advisory_xact_lock(7301, hashtext(%(vendor)s::text))
