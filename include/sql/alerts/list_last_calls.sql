-- why: data may be stale because calls fail: what the newest runs of each DAG heard from each vendor. Building hours
--      from minute prices hears nothing.
-- params: dag_ids, runs (how many of each DAG), ahead (our clock before the server's, which stamps calls).
-- grain: one row a DAG and vendor; kind and message of the newest failed call.
-- reads: ingest_run, ingest_call.
-- used by: storage.alert_evidence
select
    d.dag_id,
    c.vendor,
    max(c.finished_at) filter (where c.state = 'done') + %(ahead)s::interval as answered_at,
    max(c.finished_at) filter (where c.state <> 'done') + %(ahead)s::interval as failed_at,
    coalesce((array_agg(c.outcome order by c.finished_at desc) filter (where c.state <> 'done'))[1], '') as kind,
    coalesce((array_agg(c.message order by c.finished_at desc) filter (where c.state <> 'done'))[1], '') as message
from unnest(%(dag_ids)s::text []) as d (dag_id)
cross join lateral (
    select i.run_id from ingest_run as i
    where i.dag_id = d.dag_id
    order by i.run_id desc
    limit %(runs)s
) as r
inner join ingest_call as c on r.run_id = c.run_id
where c.finished_at is not null and c.vendor in ('polygon', 'coingecko') and c.kind <> 'minute_prices'
group by d.dag_id, c.vendor
