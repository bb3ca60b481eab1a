-- why: the cadence counts from the newest question.
-- params: vendor, feed, at (instant of the question). grain: one row. writes: realtime_feed.
-- used by: storage.feeds
update realtime_feed
set last_asked_at = greatest(last_asked_at, %(at)s::timestamptz)
where vendor = %(vendor)s and feed = %(feed)s
