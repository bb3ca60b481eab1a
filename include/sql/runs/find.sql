-- why: a task that closes a run knows it by its Airflow name only.
-- params: dag_id, airflow_run_id. grain: one row or none. reads: ingest_run.
-- used by: storage.runs
select run_id
from ingest_run
where dag_id = %(dag_id)s and airflow_run_id = %(airflow_run_id)s
