-- why: adjusted series end at the day that it is; a replay whose clock is frozen must see that day in the database too.
-- params: now (ISO instant; empty: the server's clock). grain: one row. reads and writes: a setting of the session.
-- used by: storage.connection
select set_config('marketdata.now', %(now)s, false)
