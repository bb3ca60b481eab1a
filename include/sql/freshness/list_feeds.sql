-- why: how each vendor is asked for prices of the day, and the newest proof that it was asked and answered. Building hours from
--      stored prices is recorded like an answered call.
-- params: since (older proofs are of no use). grain: one row a vendor and feed. reads: realtime_feed, ingest_call.
-- used by: storage.freshness
select
    f.vendor,
    f.feed,
    f.way,
    f.cadence_minutes,
    f.delay_seconds,
    c.answered_at as heard_at
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
order by f.vendor, f.feed
