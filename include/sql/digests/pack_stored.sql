-- why: stored bars as the bytes that digests are made of, in one value: a client takes a tenth of the time that rows would take
--      it. A figure that is not given is NaN, a number of trades -1, so that every bar has the same length.
-- params: asset_id, first, last (sessions, inclusive). grain: one row; null for no final bar. reads: bar_daily.
-- used by: storage.digests
select
    string_agg(
        date_send(session)
        || coalesce(float8send(open), '\x7ff8000000000000')
        || coalesce(float8send(high), '\x7ff8000000000000')
        || coalesce(float8send(low), '\x7ff8000000000000')
        || float8send(close)
        || coalesce(float8send(volume), '\x7ff8000000000000')
        || coalesce(float8send(volume_24h), '\x7ff8000000000000')
        || coalesce(float8send(vwap), '\x7ff8000000000000')
        || int8send(coalesce(trades, -1)),
        ''::bytea order by session
    ) as packed
from bar_daily
where asset_id = %(asset_id)s and session between %(first)s::date and %(last)s::date and is_final
