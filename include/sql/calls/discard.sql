-- why: a run planned anew: what was not made is dropped, what failed is kept but no longer counts as failed.
-- params: run_id. grain: one row a call. reads and writes: ingest_call.
-- used by: storage.runs
with dropped as (
    delete from ingest_call where run_id = %(run_id)s and state = 'pending'
)

update ingest_call set state = 'superseded'
where run_id = %(run_id)s and state = 'failed'
