-- why: which calls asked for a day of an asset, its own and those for the whole market; not_made: its run is over and left it.
-- params: asset_id, vendor, day. grain: one row a call, newest first, at most 20. reads: ingest_call, ingest_run.
-- used by: storage.day_facts
select
    c.call_id,
    c.run_id,
    r.dag_id,
    r.airflow_run_id,
    c.kind,
    c.purpose,
    c.symbol,
    c.first,
    c.last,
    case when c.state = 'pending' and r.state not in ('planned', 'running') then 'not_made' else c.state end as state,
    c.outcome,
    c.http_status,
    c.received,
    c.message,
    c.warnings,
    coalesce(c.answered_at, c.finished_at) as ended_at
from ingest_call as c
inner join ingest_run as r on c.run_id = r.run_id
where
    c.vendor in (%(vendor)s, 'import')
    and (c.asset_id = %(asset_id)s or c.asset_id is null)
    and c.purpose in ('fill', 'verify', 'import')
    and %(day)s::date between c.first and c.last
order by c.call_id desc
limit 20
