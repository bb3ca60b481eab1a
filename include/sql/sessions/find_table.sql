-- why: a set of migrations under test may have no calendar.
-- params: none. grain: one row, null if absent. reads: the catalog.
-- used by: storage.migrations
select to_regclass('marketdata.trading_session')
