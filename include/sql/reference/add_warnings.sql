-- why: what a run found out that belongs to no single call.
-- params: run_id, warnings (JSON array). grain: one row. writes: ingest_run.
-- used by: storage.reference_calls
update ingest_run
set warnings = warnings || %(warnings)s::jsonb
where run_id = %(run_id)s
