-- why: how far the table of trading days reaches.
-- params: none. grain: one row, null if empty. reads: trading_session.
-- used by: storage.trading_sessions, storage.doctor
select max(session) from trading_session
