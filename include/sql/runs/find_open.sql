-- why: Airflow says that a run has ended: whether its record still stands open. Locked, so that a close task that is a little
--      late comes after, and has the last word.
-- params: dag_id, airflow_run_id. grain: one row or none. reads: ingest_run.
-- used by: storage.runs
select run_id
from ingest_run
where dag_id = %(dag_id)s and airflow_run_id = %(airflow_run_id)s and state in ('planned', 'running')
for update
