-- why: one writer of hours at a time a vendor; builders of its hours are among them.
-- params: vendor. grain: one row. reads and writes: nothing; held until the transaction ends.
-- used by: storage.hourly_bars
select pg_advisory_xact_lock(7304, hashtext(%(vendor)s))
