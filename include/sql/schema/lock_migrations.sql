-- why: two starters must not migrate at once; the second waits here. Held until the session ends.
-- params: none. grain: one row. reads and writes: nothing.
-- used by: storage.migrations
select pg_advisory_lock(7300, 0)
