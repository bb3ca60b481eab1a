-- why: data may be stale because nothing ran: each DAG's newest run, and when any of its runs last had its verdict.
-- params: dag_ids, ahead (our clock before the server's, which stamps runs). grain: one row a DAG that ever ran. reads: ingest_run.
-- used by: storage.alert_evidence
select
    r.dag_id,
    r.airflow_run_id,
    r.state,
    r.opened_at + %(ahead)s::interval as opened_at,
    r.closed_at + %(ahead)s::interval as closed_at,
    r.left_open,
    r.calls_pending,
    (
        select max(n.closed_at) + %(ahead)s::interval
        from (
            select e.closed_at from ingest_run as e
            where e.dag_id = d.dag_id
            order by e.run_id desc
            limit 20
        ) as n
    ) as ended_at
from unnest(%(dag_ids)s::text []) as d (dag_id)
cross join lateral (
    select
        i.dag_id,
        i.airflow_run_id,
        i.state,
        i.opened_at,
        i.closed_at,
        i.left_open,
        i.calls_pending
    from ingest_run as i
    where i.dag_id = d.dag_id
    order by i.run_id desc
    limit 1
) as r
