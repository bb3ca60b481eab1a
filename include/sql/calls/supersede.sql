-- why: a refused probe is no failure of a run that went on another way: it is kept, and counts no longer.
-- params: call_id. grain: one row or none. writes: ingest_call.
-- used by: storage.failures
update ingest_call set state = 'superseded'
where call_id = %(call_id)s and state = 'failed'
