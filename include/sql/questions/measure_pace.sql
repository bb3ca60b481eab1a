-- why: how long a vendor takes for a request, measured on the newest calls, so that a plan can say when it will end.
-- params: vendors. grain: one row a vendor that has answered. reads: ingest_call.
-- used by: storage.questions
select
    v.vendor,
    sum(c.elapsed_ms) / sum(c.requests) / 1000 as seconds
from unnest(%(vendors)s::text []) as v (vendor)
cross join lateral (
    select
        d.elapsed_ms,
        d.requests
    from ingest_call as d
    where d.vendor = v.vendor and d.state = 'done' and d.requests > 0
    order by d.call_id desc
    limit 200
) as c
group by v.vendor
