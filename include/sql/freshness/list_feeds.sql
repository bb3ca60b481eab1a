-- why: how each vendor is asked for prices of the day, and the newest proof that it was asked and answered: a call, or, where
--      hours are built from stored prices, a run that built them.
-- params: since (older proofs are of no use). grain: one row a vendor and feed. reads: realtime_feed, ingest_call, ingest_run.
-- used by: storage.freshness
select
    f.vendor,
    f.feed,
    f.way,
    f.cadence_minutes,
    f.delay_seconds,
    case f.way when 'minute_prices' then r.closed_at else c.answered_at end as heard_at
from realtime_feed as f
left join lateral (
    select max(k.answered_at) as answered_at
    from ingest_call as k
    where
        k.answered_at >= %(since)s::timestamptz
        and k.vendor = f.vendor
        and k.kind = f.way
        and k.state = 'done'
) as c on true
cross join (
    select max(n.closed_at) as closed_at
    from ingest_run as n
    where
        n.dag_id = 'realtime_hourly'
        and n.state in ('success', 'partial')
        and n.closed_at >= %(since)s::timestamptz
) as r
order by f.vendor, f.feed
