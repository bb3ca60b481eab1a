-- why: a run's verdict names each symbol that failed, with its cause.
-- params: run_id. grain: one row a failed call. reads: ingest_call, asset.
-- used by: storage.runs
select
    coalesce(a.symbol, c.symbol, c.last::text) as symbol,
    c.outcome as kind,
    c.message
from ingest_call as c
left join asset as a on c.asset_id = a.asset_id
where c.run_id = %(run_id)s and c.state = 'failed'
order by symbol, c.call_id
