-- why: make the table equal to the calendar of the code between two dates; writes only what differs.
-- params: sessions, opens_at, closes_at (arrays of one length); first, last (dates, inclusive).
-- grain: one row a trading day written. reads and writes: trading_session.
-- used by: storage.trading_sessions
with calendar as (
    select
        c.session,
        c.opens_at,
        c.closes_at
    from unnest(%(sessions)s::date [], %(opens_at)s::timestamptz [], %(closes_at)s::timestamptz [])
        as c (session, opens_at, closes_at)
),

closed as (
    delete from trading_session as t
    where t.session between %(first)s::date and %(last)s::date
    and not exists (select from calendar as c where c.session = t.session)
)

insert into trading_session as t (session, opens_at, closes_at)
select
    session,
    opens_at,
    closes_at
from calendar
on conflict (session) do update
set opens_at = excluded.opens_at, closes_at = excluded.closes_at
where (t.opens_at, t.closes_at) is distinct from (excluded.opens_at, excluded.closes_at)
