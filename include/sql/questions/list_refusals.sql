-- why: the records of a day that were refused.
-- params: asset_id, day. grain: one row a record, newest first, at most 10. reads: quarantine, ingest_call.
-- used by: storage.day_facts
select
    q.reason,
    q.record,
    q.received_at,
    q.call_id,
    c.run_id
from quarantine as q
inner join ingest_call as c on q.call_id = c.call_id
where q.asset_id = %(asset_id)s and q.session = %(day)s::date
order by q.quarantine_id desc
limit 10
