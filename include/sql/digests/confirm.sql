-- why: close a comparison that found all as it is stored, in one statement and one round: the answer's years against the
--      digests of the stored ones. Where any differs, or has no digest, nothing is written.
--      Confirming stores no bar, and one that a crash of the server undoes is made again: its commit does not wait for
--      the disk.
-- params: asset_id, first_year, last_year, digests (text array, one for each of these years, ascending; null: nothing
--         to check, close), and one for each column of calls/finish but inserted, changed, quarantined and absent, which are 0.
-- grain: one row if the call was closed, else none. reads: bar_digest. reads and writes: ingest_call.
-- used by: storage.digests
update ingest_call
set
    state = 'done',
    endpoint = %(endpoint)s,
    http_status = %(http_status)s,
    requests = %(requests)s,
    rate_limited = %(rate_limited)s,
    received = %(received)s,
    unchanged = %(unchanged)s,
    duplicates = %(duplicates)s,
    received_bytes = %(received_bytes)s,
    elapsed_ms = %(elapsed_ms)s,
    digest = %(digest)s,
    outcome = case when %(received)s::integer = 0 then 'empty' else 'ok' end,
    message = null,
    warnings = %(warnings)s::jsonb,
    answered_at = %(at)s,
    finished_at = clock_timestamp()
where
    call_id = %(call_id)s
    and state <> 'done'
    and (
        %(digests)s::text [] is null
        or %(digests)s::text [] = (
            select array_agg(digest order by year)
            from bar_digest
            where
                asset_id = %(asset_id)s
                and interval = '1d'
                and year between %(first_year)s and %(last_year)s
        )
    )
returning set_config('synchronous_commit', 'off', true) as commit_waits
