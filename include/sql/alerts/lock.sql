-- why: two watches at once must not both open an alert and tell of it; the lock is held to the end of the transaction.
-- params: none. grain: one row. reads: nothing.
-- used by: storage.alerts
select pg_advisory_xact_lock(7304, 0)
