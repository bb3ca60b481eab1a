-- why: one writer of prices at a time a vendor; a vendor's assets are its own. Batch has other locks: neither waits for the other.
-- params: vendor. grain: one row. reads and writes: nothing; held until the transaction ends.
-- used by: storage.prices
select pg_advisory_xact_lock(7303, hashtext(%(vendor)s))
