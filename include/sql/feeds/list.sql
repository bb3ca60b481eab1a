-- why: what was decided of the ways in which vendors give prices of the day.
-- params: none. grain: one row a vendor and feed. reads: realtime_feed.
-- used by: storage.feeds
select
    vendor,
    feed,
    way,
    cadence_minutes,
    delay_seconds,
    note,
    decided_at,
    last_asked_at
from realtime_feed
order by vendor, feed
