-- why: close a call with its counters and note what its answer proves, in the transaction that stores its bars and in one
--      statement, since each one costs a round of client and server:
--      the days it covers are verified (once verified, always) or provisional; sessions it covers are no longer failing, and
--      the last one closes the failure; a bar for a session that was proven empty before ends that absence; the digests of
--      the years that its bars lie in speak for what was stored before.
--      A call that is closed already (the answer to a commit was lost, an orphan beside its retry) keeps its first counters.
-- params: call_id and one for each column set; vendor, at (instant of the answer); covered (asset ids that the answer speaks
--         for), is_market (it speaks for the whole market), verified, provisional (datemultirange, disjoint), answered (both);
--         asset_ids, first, last (inclusive) of the bars.
-- grain: one row. reads: bar_daily. reads and writes: coverage, fetch_failure. writes: absence, bar_digest, ingest_call.
-- used by: storage.bar_writer
with covered as (
    insert into coverage as c (asset_id, interval, verified, provisional, updated_at)
    select
        a.asset_id,
        '1d',
        %(verified)s::datemultirange,
        %(provisional)s::datemultirange,
        %(at)s::timestamptz
    from unnest(%(covered)s::bigint []) as a (asset_id)
    where not isempty(%(answered)s::datemultirange)
    order by a.asset_id
    on conflict (asset_id, interval) do update
    set
        verified = c.verified + excluded.verified,
        provisional = (c.provisional + excluded.provisional) - (c.verified + excluded.verified),
        updated_at = excluded.updated_at
    where not (
        c.verified @> excluded.verified
        and (c.verified + c.provisional) @> excluded.provisional
    )
),

resolved as (
    update fetch_failure
    set
        sessions = sessions - %(answered)s::datemultirange,
        resolved_at = case when isempty(sessions - %(answered)s::datemultirange) then %(at)s::timestamptz end
    where
        resolved_at is null
        and vendor = %(vendor)s
        and interval = '1d'
        and (asset_id = any(%(covered)s::bigint []) or (asset_id is null and %(is_market)s))
        and sessions && %(answered)s::datemultirange
),

withdrawn as (
    delete from absence as a
    where
        a.interval = '1d'
        and a.asset_id = any(%(asset_ids)s::bigint [])
        and a.session between %(first)s::date and %(last)s::date
        and exists (
            select from bar_daily as b
            where b.asset_id = a.asset_id and b.session = a.session
        )
),

outdated as (
    delete from bar_digest as d
    where
        %(inserted)s::integer + %(changed)s::integer + %(unchanged)s::integer > 0
        and d.asset_id = any(%(asset_ids)s::bigint [])
        and d.interval = '1d'
        and d.year between extract(year from %(first)s::date) and extract(year from %(last)s::date)
)

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
