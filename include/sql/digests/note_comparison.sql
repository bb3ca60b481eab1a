-- why: what a comparison found, in the transaction that stores what differed. An asset counts as compared once no other
--      comparison of it is open in the run.
-- params: call_id, run_id, asset_id, at (instant of the answer), differing, alike (numbers of bars).
-- grain: one row an asset and a call. reads and writes: ingest_call, coverage.
-- used by: storage.bar_writer
with compared as (
    update coverage
    set compared_at = greatest(compared_at, %(at)s)
    where
        asset_id = %(asset_id)s
        and interval = '1d'
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

update ingest_call
set
    differing = %(differing)s,
    unchanged = unchanged + %(alike)s
where call_id = %(call_id)s
