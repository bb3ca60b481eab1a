-- why: what ended without closing its record, and was noticed by nobody: older runs of a DAG that stand open and have given no
--      sign of life for longer than they may be silent. What another process is closing is left to it.
-- params: dag_id, airflow_run_id (the run that asks), silent_for (interval). grain: one row a run, at most 100.
-- reads: ingest_run, ingest_call.
-- used by: storage.runs
select r.run_id
from ingest_run as r
where
    r.dag_id = %(dag_id)s
    and r.airflow_run_id <> %(airflow_run_id)s
    and r.state in ('planned', 'running')
    and r.opened_at < clock_timestamp() - %(silent_for)s::interval
    and not exists (
        select from ingest_call as c
        where c.run_id = r.run_id and c.finished_at >= clock_timestamp() - %(silent_for)s::interval
    )
order by r.run_id
limit 100
for update skip locked
