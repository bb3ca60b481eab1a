-- why: metrics tell calls apart by vendor and by how they ended, and never by symbol. A call that failed and was planned anew
--      was made as well; hours that were built from minute prices asked no vendor.
-- params: run_id. grain: one row a vendor, class of HTTP status and outcome. reads: ingest_call.
-- used by: storage.run_figures
select
    vendor,
    case when coalesce(http_status, 0) = 0 then 'none' else (http_status / 100)::text || 'xx' end as status,
    outcome,
    count(*) as calls,
    sum(requests) as requests,
    sum(rate_limited) as rate_limited
from ingest_call
where run_id = %(run_id)s and state <> 'pending' and kind <> 'minute_prices'
group by vendor, status, outcome
order by vendor, status, outcome
