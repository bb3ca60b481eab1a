-- why: the calls that a mapped task still has to make, in the plan's order.
-- params: run_id, batch. grain: one row a call. reads: ingest_call.
-- used by: storage.runs
select
    kind,
    vendor,
    asset_id,
    symbol,
    first,
    last,
    purpose,
    call_id,
    run_id
from ingest_call
where run_id = %(run_id)s and batch = %(batch)s and state = 'pending'
order by call_id
