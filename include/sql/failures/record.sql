-- why: what failed, why, and when to try again: one open row an asset, or one for the whole market.
-- params: asset_ids (one null element: the whole market), vendor, sessions (datemultirange), kind, message, next_step, at,
--         retry_at, run_id, call_id.
-- grain: one row a failure. reads and writes: fetch_failure.
-- used by: storage.failures
insert into fetch_failure as f (
    vendor, interval, asset_id, sessions, kind, message, next_step,
    first_failed_at, last_failed_at, retry_at, run_id, call_id
)
select
    %(vendor)s,
    '1d',
    a.asset_id,
    %(sessions)s::datemultirange,
    %(kind)s,
    %(message)s,
    %(next_step)s,
    %(at)s::timestamptz as first_failed_at,
    %(at)s::timestamptz as last_failed_at,
    %(retry_at)s::timestamptz,
    %(run_id)s::bigint,
    %(call_id)s::bigint
from unnest(%(asset_ids)s::bigint []) as a (asset_id)
order by a.asset_id
on conflict (vendor, interval, asset_id) where resolved_at is null do update
set
    sessions = f.sessions + excluded.sessions,
    kind = excluded.kind,
    message = excluded.message,
    next_step = excluded.next_step,
    attempts = f.attempts + 1,
    last_failed_at = excluded.last_failed_at,
    retry_at = excluded.retry_at,
    run_id = excluded.run_id,
    call_id = excluded.call_id
