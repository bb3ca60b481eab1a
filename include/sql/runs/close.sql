-- why: sum up a run and give its verdict. What is not published yet, or lies beyond the plan, is no failure; a run without a
--      plan is one. Of a run that others close for it nobody knows what it still meant to do: never a success.
-- params: run_id, left_open (whether others close it), is_over (whether it ended just now; else at its last sign of life).
-- grain: one row: the run as closed. reads: ingest_call. reads and writes: ingest_run.
-- used by: storage.runs
with summed as (
    select
        count(*) as calls,
        max(finished_at) as seen_at,
        count(*) filter (where state = 'done') as done,
        count(*) filter (where state = 'failed') as failed,
        count(*) filter (where state = 'failed' and outcome in ('not_yet', 'beyond_history')) as excused,
        count(*) filter (where state = 'pending') as pending,
        coalesce(sum(received), 0) as received,
        coalesce(sum(inserted), 0) as inserted,
        coalesce(sum(changed), 0) as changed,
        coalesce(sum(unchanged), 0) as unchanged,
        coalesce(sum(quarantined), 0) as quarantined,
        coalesce(sum(duplicates), 0) as duplicates,
        coalesce(sum(absent), 0) as absent,
        coalesce(sum(requests), 0) as requests,
        coalesce(sum(rate_limited), 0) as rate_limited
    from ingest_call
    where run_id = %(run_id)s
),

compared as (
    select sum(differing) as differing
    from ingest_call
    where run_id = %(run_id)s and purpose = 'verify' and state <> 'superseded'
    group by asset_id
    having bool_and(state = 'done')
),

verified as (
    select
        count(*) as assets,
        count(*) filter (where differing > 0) as differing
    from compared
)

update ingest_run as r
set
    state = case
        when r.state = 'dry_run' then 'dry_run'
        when r.state = 'planned' or (r.state = 'failed' and s.calls = 0) then 'failed'
        when %(left_open)s then case when s.done > 0 then 'partial' else 'failed' end
        when s.failed = s.excused and s.pending = 0 and s.quarantined = 0 then 'success'
        when s.done = 0 and s.excused = 0 then 'failed'
        else 'partial'
    end,
    calls_done = s.done,
    calls_failed = s.failed,
    calls_pending = s.pending,
    received = s.received,
    inserted = s.inserted,
    changed = s.changed,
    unchanged = s.unchanged,
    quarantined = s.quarantined,
    duplicates = s.duplicates,
    absent = s.absent,
    requests = s.requests,
    rate_limited = s.rate_limited,
    verified = v.assets,
    differing = v.differing,
    left_open = %(left_open)s,
    closed_at = greatest(case when %(is_over)s then clock_timestamp() else s.seen_at end, r.opened_at)
from summed as s
cross join verified as v
where r.run_id = %(run_id)s
returning
    r.run_id,
    r.state,
    r.assets,
    r.calls_done,
    r.calls_failed,
    r.calls_pending,
    r.received,
    r.inserted,
    r.changed,
    r.unchanged,
    r.quarantined,
    r.duplicates,
    r.absent,
    r.requests,
    r.rate_limited,
    r.verified,
    r.differing,
    r.naive_calls,
    r.warnings,
    extract(epoch from r.closed_at - r.opened_at)::double precision as seconds
