-- why: the calls that a run will make, in the plan's order.
-- params: run_id, batches, vendors, kinds, asset_ids, symbols, firsts, lasts, purposes (arrays of one length).
-- grain: one row a call. writes: ingest_call.
-- used by: storage.runs
insert into ingest_call (run_id, batch, vendor, kind, asset_id, symbol, first, last, purpose)
select
    %(run_id)s::bigint,
    c.batch,
    c.vendor,
    c.kind,
    c.asset_id,
    c.symbol,
    c.first,
    c.last,
    c.purpose
from unnest(
    %(batches)s::integer [], %(vendors)s::text [], %(kinds)s::text [], %(asset_ids)s::bigint [], %(symbols)s::text [],
    %(firsts)s::date [], %(lasts)s::date [], %(purposes)s::text []
) with ordinality as c (batch, vendor, kind, asset_id, symbol, first, last, purpose, place)
order by c.place
