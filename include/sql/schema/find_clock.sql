-- why: runs, calls and assets are stamped by the server's clock, and judged by the clock of whoever asks: the two may differ.
-- params: none. grain: one row: the instant that it is here; where a replay froze the clock, that one.
-- reads: a setting of the session.
-- used by: storage.clock
select coalesce(nullif(current_setting('marketdata.now', true), '')::timestamptz, clock_timestamp())
