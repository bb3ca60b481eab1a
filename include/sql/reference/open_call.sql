-- why: what reference data a run asks for depends on the answers before, so its calls are not planned but noted one by one.
-- params: run_id, vendor, kind, asset_id, symbol, first, last, purpose. grain: one row: call_id. writes: ingest_call.
-- used by: storage.reference_calls
insert into ingest_call (run_id, batch, vendor, kind, asset_id, symbol, first, last, purpose)
values (
    %(run_id)s, 0, %(vendor)s, %(kind)s, %(asset_id)s, %(symbol)s, %(first)s, %(last)s, %(purpose)s
)
returning call_id
