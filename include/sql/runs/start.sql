-- why: the plan is made: the run can be fetched.
-- params: run_id, assets (number that miss something), naive_calls (of a full download), warnings (JSON array).
-- grain: one row. writes: ingest_run.
-- used by: storage.runs
update ingest_run
set
    state = case state when 'dry_run' then state else 'running' end,
    assets = %(assets)s,
    naive_calls = %(naive_calls)s,
    warnings = %(warnings)s::jsonb
where run_id = %(run_id)s
