-- why: what a comparison found, in the transaction that stores what differed.
-- params: call_id, differing, alike (numbers of bars). grain: one row a call. writes: ingest_call.
-- used by: storage.bar_writer
update ingest_call
set
    differing = %(differing)s,
    unchanged = unchanged + %(alike)s
where call_id = %(call_id)s
