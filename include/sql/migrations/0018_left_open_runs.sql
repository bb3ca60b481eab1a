-- why: a run that was killed, or ended by hand, closes no record of its own: another process does, and readers must be able to
--      tell such a verdict from one that the run reached itself.
-- grain: one column of a run; an index of the runs that stand open.

alter table ingest_run
add column left_open boolean not null default false;
comment on column ingest_run.left_open is
'Whether the run ended without closing its record (killed, or ended by hand), so that another process did; never a success.';
comment on column ingest_run.opened_at is 'Instant of the last start: a retried or cleared run starts again.';
comment on column ingest_run.closed_at is
'Instant of the last verdict; null: not closed. Of a run that was left open and found later: of its last sign of life.';
create index ingest_run_open on ingest_run (dag_id, run_id) where state in ('planned', 'running');
