-- why: a rejected key fails all calls of its vendor at once; asking again would only be rejected again.
-- params: run_id, vendor, kind, message. grain: one row a pending call. writes: ingest_call.
-- used by: storage.failures
update ingest_call
set
    state = 'failed',
    outcome = %(kind)s,
    message = %(message)s,
    finished_at = clock_timestamp()
where run_id = %(run_id)s and vendor = %(vendor)s and state = 'pending'
