-- why: what the calls of a run warn of, each text once.
-- params: run_id. grain: one row a text, with the number of calls. reads: ingest_call.
-- used by: storage.runs
select
    w.warning,
    count(*) as calls
from ingest_call as c
cross join lateral jsonb_array_elements_text(c.warnings) as w (warning)
where c.run_id = %(run_id)s and c.state <> 'superseded'
group by w.warning
order by min(c.call_id), w.warning
