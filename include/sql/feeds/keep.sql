-- why: remember a decision; a later one wins, and a question that was noted meanwhile is not forgotten.
-- params: vendor, feed, way, cadence_minutes, delay_seconds, note, decided_at, last_asked_at. grain: one row. writes: realtime_feed.
-- used by: storage.feeds
insert into realtime_feed as f (vendor, feed, way, cadence_minutes, delay_seconds, note, decided_at, last_asked_at)
values (
    %(vendor)s,
    %(feed)s,
    %(way)s,
    %(cadence_minutes)s,
    %(delay_seconds)s,
    %(note)s,
    %(decided_at)s,
    %(last_asked_at)s::timestamptz
)
on conflict (vendor, feed) do update
set
    way = excluded.way,
    cadence_minutes = excluded.cadence_minutes,
    delay_seconds = excluded.delay_seconds,
    note = excluded.note,
    decided_at = excluded.decided_at,
    last_asked_at = greatest(f.last_asked_at, excluded.last_asked_at)
where excluded.decided_at >= f.decided_at
