-- why: note that a part is stored, in the transaction of its bars: a killed import finds here what it need not do again. Of two
--      imports of the same file at once the first one's note stays.
-- params: digest, part, call_id, held, conflicting. grain: one row. writes: import_part.
-- used by: storage.imports
insert into import_part (digest, part, call_id, held, conflicting)
values (%(digest)s, %(part)s, %(call_id)s, %(held)s, %(conflicting)s)
on conflict (digest, part) do nothing
