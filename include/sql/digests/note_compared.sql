-- why: whose turn comes last: an asset counts as compared once all of its comparisons in a run are done. Noted at the end of
--      each batch, so that a run that is never closed has come some way, and for all of them when the run is closed.
-- params: run_id, batch (null: all). grain: one row an asset. reads: ingest_call. reads and writes: coverage.
-- used by: storage.digests, storage.runs
update coverage as c
set compared_at = done.answered_at
from (
    select
        asset_id,
        max(answered_at) as answered_at
    from ingest_call
    where
        run_id = %(run_id)s
        and batch = coalesce(%(batch)s::integer, batch)
        and purpose = 'verify'
        and state <> 'superseded'
    group by asset_id
    having bool_and(state = 'done')
) as done
where
    c.asset_id = done.asset_id
    and c.interval = '1d'
    and (c.compared_at is null or c.compared_at < done.answered_at)
