-- why: close a call with its counters, in the transaction that stores its bars. A call that is closed already (the answer
--      to a commit was lost, an orphan beside its retry) keeps its first counters.
-- params: call_id and one for each column set. grain: one row. writes: ingest_call.
-- used by: storage.bar_writer
update ingest_call
set
    state = 'done',
    endpoint = %(endpoint)s,
    http_status = %(http_status)s,
    requests = %(requests)s,
    rate_limited = %(rate_limited)s,
    received = %(received)s,
    inserted = %(inserted)s,
    changed = %(changed)s,
    unchanged = %(unchanged)s,
    quarantined = %(quarantined)s,
    duplicates = %(duplicates)s,
    absent = %(absent)s,
    received_bytes = %(received_bytes)s,
    elapsed_ms = %(elapsed_ms)s,
    digest = %(digest)s,
    outcome = case when %(received)s::integer = 0 then 'empty' else 'ok' end,
    message = null,
    warnings = %(warnings)s::jsonb,
    answered_at = %(at)s,
    finished_at = clock_timestamp()
where call_id = %(call_id)s and state <> 'done'
