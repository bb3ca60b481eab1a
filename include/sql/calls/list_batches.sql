-- why: what the mapped task is called: its only asset or session, or how many there are.
-- params: run_id. grain: one row a batch with calls to make. reads: ingest_call, asset.
-- used by: storage.runs
select
    c.batch,
    case count(distinct coalesce(a.symbol, c.last::text))
        when 1 then min(coalesce(a.symbol, c.last::text))
        else (array_agg(coalesce(a.symbol, c.last::text) order by c.call_id))[1]
        || ' + ' || (count(distinct coalesce(a.symbol, c.last::text)) - 1)
    end as label
from ingest_call as c
left join asset as a on c.asset_id = a.asset_id
where c.run_id = %(run_id)s and c.state = 'pending'
group by c.batch
order by c.batch
