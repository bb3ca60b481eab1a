-- why: adjusted series of the past count the splits and dividends up to their own date, not up to today's.
-- params: at (instant). grain: one row. reads and writes: nothing but the setting, until the transaction ends.
-- used by: storage.exports
select set_config('marketdata.now', %(at)s::timestamptz::text, true)
