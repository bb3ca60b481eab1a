-- why: close a call with its counters, in the transaction that stores what it brought; calls/finish does it for daily bars.
-- params: call_id, at (instant of the answer) and one for each column set. grain: one row. writes: ingest_call.
-- used by: storage.reference_calls, storage.imports
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
    received_bytes = %(received_bytes)s,
    elapsed_ms = %(elapsed_ms)s,
    digest = %(digest)s,
    outcome = case when %(received)s::integer = 0 then 'empty' else 'ok' end,
    message = null,
    warnings = %(warnings)s::jsonb,
    answered_at = %(at)s,
    finished_at = clock_timestamp()
where call_id = %(call_id)s and state <> 'done'
