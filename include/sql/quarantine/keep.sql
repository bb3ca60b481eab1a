-- why: a refused record is kept and explained (promise P7).
-- params: call_id, at (instant of the answer), asset_ids, symbols, sessions, records (JSON), reasons (arrays of one length).
-- grain: one row a record. writes: quarantine.
-- used by: storage.refusals
insert into quarantine (call_id, asset_id, symbol, session, record, reason, received_at)
select
    %(call_id)s::bigint,
    q.asset_id,
    q.symbol,
    q.session,
    q.record,
    q.reason,
    %(at)s::timestamptz
from unnest(
    %(asset_ids)s::bigint [], %(symbols)s::text [], %(sessions)s::date [], %(records)s::jsonb [], %(reasons)s::text []
) as q (asset_id, symbol, session, record, reason)
