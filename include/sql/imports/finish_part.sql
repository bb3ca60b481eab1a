-- why: close the call of a part and note that the part is stored, in the transaction of its bars: a killed import finds here
--      what it need not do again. Of two imports of the same file at once the first one's note stays.
-- params: call_id, digest, part, endpoint, at, received, inserted, changed, held, conflicting, unchanged (held and conflicting
--         ones included), quarantined, duplicates, received_bytes, elapsed_ms, warnings (JSON array or null).
-- grain: one row. writes: ingest_call, import_part.
-- used by: storage.imports
with noted as (
    insert into import_part (digest, part, call_id, held, conflicting)
    values (%(digest)s, %(part)s, %(call_id)s, %(held)s, %(conflicting)s)
    on conflict (digest, part) do nothing
)

update ingest_call
set
    state = 'done',
    endpoint = %(endpoint)s,
    received = %(received)s,
    inserted = %(inserted)s,
    changed = %(changed)s,
    unchanged = %(unchanged)s,
    quarantined = %(quarantined)s,
    duplicates = %(duplicates)s,
    received_bytes = %(received_bytes)s,
    elapsed_ms = %(elapsed_ms)s,
    digest = %(digest)s,
    outcome = case when %(received)s::integer = 0 then 'empty' else 'ok' end,
    message = null,
    warnings = %(warnings)s::jsonb,
    answered_at = %(at)s,
    finished_at = clock_timestamp()
where call_id = %(call_id)s and state <> 'done'
