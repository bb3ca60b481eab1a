-- why: close a comparison that found all as it is stored, in one statement: the answer's years against the digests of the
--      stored ones. Where any differs, or has no digest, nothing is written and those years are named.
--      Confirming stores no bar, and one that a crash of the server undoes is made again: its commit does not wait for
--      the disk. An asset counts as compared once no other comparison of it is open in the run.
-- params: asset_id, run_id, years, digests (arrays of one length; empty: nothing to check, close), and one for each column
--         of calls/finish but inserted, changed, quarantined and absent, which are 0.
-- grain: one row: the years that differ or are not known, null for none. reads: bar_digest. reads and writes: ingest_call,
--        coverage.
-- used by: storage.digests
with open_year as materialized (
    select given.year
    from unnest(%(years)s::integer [], %(digests)s::text []) as given (year, digest)
    left join bar_digest as stored
        on stored.asset_id = %(asset_id)s and stored.interval = '1d' and given.year = stored.year
    where stored.digest is distinct from given.digest
),

closed as (
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
    where call_id = %(call_id)s and state <> 'done' and not exists (select from open_year)
),

compared as (
    update coverage
    set compared_at = greatest(compared_at, %(at)s)
    where
        asset_id = %(asset_id)s
        and interval = '1d'
        and not exists (select from open_year)
        and not exists (
            select from ingest_call as other
            where
                other.run_id = %(run_id)s
                and other.batch = (select mine.batch from ingest_call as mine where mine.call_id = %(call_id)s)
                and other.asset_id = %(asset_id)s
                and other.call_id <> %(call_id)s
                and other.purpose = 'verify'
                and other.state in ('pending', 'failed')
        )
)

select
    array_agg(year order by year) as years,
    set_config('synchronous_commit', 'off', true) as commit_waits
from open_year
