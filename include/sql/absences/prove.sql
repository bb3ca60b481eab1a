-- why: keep the evidence that a session has no bar; a stored bar is never declared absent.
-- params: asset_ids, sessions (pairs, arrays of one length), call_id, digest, at (instant of the answer).
-- grain: one row an absence. reads: bar_daily. writes: absence.
-- used by: storage.bar_writer
insert into absence (asset_id, interval, session, call_id, digest, proven_at)
select
    a.asset_id,
    '1d',
    a.session,
    %(call_id)s::bigint,
    %(digest)s,
    %(at)s::timestamptz
from unnest(%(asset_ids)s::bigint [], %(sessions)s::date []) as a (asset_id, session)
where not exists (
    select from bar_daily as b
    where b.asset_id = a.asset_id and b.session = a.session
)
on conflict (asset_id, interval, session) do nothing
