-- why: the parts that an import will store, as calls of its run, before the first one is stored.
-- params: run_id, parts (numbers), labels, firsts, lasts (arrays of one length). grain: one row a part: its number and its call.
-- writes: ingest_call.
-- used by: storage.imports
insert into ingest_call (run_id, batch, vendor, kind, symbol, first, last, purpose)
select
    %(run_id)s::bigint,
    p.part,
    'import',
    'import_part',
    p.label,
    p.first,
    p.last,
    'import'
from unnest(%(parts)s::integer [], %(labels)s::text [], %(firsts)s::date [], %(lasts)s::date []) as p (
    part, label, first, last
)
order by p.part
returning batch, call_id
