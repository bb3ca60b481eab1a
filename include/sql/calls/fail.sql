-- why: close a call that failed. One that was stored meanwhile stays stored.
-- params: call_id, endpoint, http_status, requests, rate_limited, elapsed_ms, kind, message. grain: one row. writes: ingest_call.
-- used by: storage.failures
update ingest_call
set
    state = 'failed',
    endpoint = %(endpoint)s,
    http_status = %(http_status)s,
    requests = %(requests)s,
    rate_limited = %(rate_limited)s,
    elapsed_ms = %(elapsed_ms)s,
    outcome = %(kind)s,
    message = %(message)s,
    finished_at = clock_timestamp()
where call_id = %(call_id)s and state <> 'done'
