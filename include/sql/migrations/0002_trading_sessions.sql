-- why: the exchange's calendar where SQL can reach it, so that expected minus covered is one statement.
-- grain: one row a trading day of XNYS; filled by the migration command, extended by each run.

create table trading_session (
    session date primary key,
    opens_at timestamptz not null,
    closes_at timestamptz not null,
    check (closes_at > opens_at)
);
comment on table trading_session is 'Trading days of the New York Stock Exchange. Crypto needs no table: each UTC day is one.';
comment on column trading_session.session is 'New York date.';
comment on column trading_session.opens_at is 'Start of regular trading, 09:30 New York.';
comment on column trading_session.closes_at is 'End of regular trading: 16:00 New York, 13:00 on early-close days.';
