-- why: what is worth comparing, in the order least recently compared; what this run has compared already is left out.
-- params: asset_ids, run_id, earliest (first day that the vendor has at all).
-- grain: one row an asset with coverage: the days from its first verified one (or earliest) to its last.
-- reads: coverage, ingest_call.
-- used by: storage.digests
with done as materialized (
    select
        asset_id,
        answered_at
    from ingest_call
    where run_id = %(run_id)s and purpose = 'verify' and state = 'done'
)

select
    c.asset_id,
    greatest(lower(c.verified), %(earliest)s::date) as first,
    upper(c.verified) - 1 as last
from coverage as c
where
    c.asset_id = any(%(asset_ids)s::bigint [])
    and c.interval = '1d'
    and not isempty(c.verified)
    and upper(c.verified) > %(earliest)s::date
    and not exists (
        select from done
        where done.asset_id = c.asset_id and done.answered_at = c.compared_at
    )
order by c.compared_at nulls first, c.asset_id
