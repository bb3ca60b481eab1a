-- why: what the mapped task is called: its only call, or how many calls it makes.
-- params: run_id. grain: one row a batch with calls to make. reads: ingest_call.
-- used by: storage.runs
select
    batch,
    case count(*)
        when 1 then min(coalesce(symbol, last::text))
        else (array_agg(coalesce(symbol, last::text) order by call_id))[1] || ' + ' || (count(*) - 1)
    end as label
from ingest_call
where run_id = %(run_id)s and state = 'pending'
group by batch
order by batch
