-- why: one row a run, whatever a retry or a clear repeats; opened again, it plans anew.
-- params: dag_id, airflow_run_id, range_name, symbols (null: all), as_of, state (planned or dry_run).
-- grain: one row: run_id. reads and writes: ingest_run.
-- used by: storage.runs
insert into ingest_run (dag_id, airflow_run_id, range_name, symbols, as_of, state)
values (
    %(dag_id)s, %(airflow_run_id)s, %(range_name)s, %(symbols)s::text [], %(as_of)s, %(state)s
)
on conflict (dag_id, airflow_run_id) do update
set
    range_name = excluded.range_name,
    symbols = excluded.symbols,
    as_of = excluded.as_of,
    state = excluded.state,
    opened_at = excluded.opened_at,
    closed_at = null,
    left_open = false
returning run_id
