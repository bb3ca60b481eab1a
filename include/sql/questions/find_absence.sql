-- why: the evidence that a day has no bar.
-- params: asset_id, day. grain: one row or none. reads: absence, ingest_call.
-- used by: storage.day_facts
select
    n.call_id,
    c.run_id,
    n.digest,
    n.proven_at,
    c.endpoint
from absence as n
inner join ingest_call as c on n.call_id = c.call_id
where n.asset_id = %(asset_id)s and n.interval = '1d' and n.session = %(day)s::date
