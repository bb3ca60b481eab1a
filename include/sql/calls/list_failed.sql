-- why: a run's verdict names each symbol that failed, with its cause: a call without an answer, or bars that were refused.
-- params: run_id. grain: one row a failed call, and one an asset with refused bars. reads: ingest_call, asset, quarantine.
-- used by: storage.runs
select
    coalesce(a.symbol, c.symbol, case c.kind when 'market_day' then c.last::text else c.kind end) as symbol,
    c.outcome as kind,
    c.message
from ingest_call as c
left join asset as a on c.asset_id = a.asset_id
where c.run_id = %(run_id)s and c.state = 'failed'
union all
select
    coalesce(a.symbol, q.symbol) as symbol,
    'refused' as kind,
    format(
        '%%s bars refused, the first of %%s: %%s. Next: see marketdata.quarantine, the sessions are asked for again',
        count(*), min(q.session), (array_agg(q.reason order by q.session))[1]
    ) as message
from quarantine as q
inner join ingest_call as c on q.call_id = c.call_id
left join asset as a on q.asset_id = a.asset_id
where c.run_id = %(run_id)s and c.state = 'done'
group by coalesce(a.symbol, q.symbol)
order by symbol, kind
