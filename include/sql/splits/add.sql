-- why: splits reported for the first time; each is held until it is judged, in the same transaction.
-- params: asset_ids, executed_on, split_from, split_to, vendor_ids, kinds (arrays of one length), at (instant of the answer).
-- grain: one row a split. writes: split.
-- used by: storage.corporate_actions
insert into split (asset_id, executed_on, split_from, split_to, vendor_id, kind, state, reason, fetched_at)
select
    s.asset_id,
    s.executed_on,
    s.split_from,
    s.split_to,
    s.vendor_id,
    s.kind,
    'held',
    'not judged yet',
    %(at)s::timestamptz
from unnest(
    %(asset_ids)s::bigint [], %(executed_on)s::date [], %(split_from)s::double precision [],
    %(split_to)s::double precision [], %(vendor_ids)s::text [], %(kinds)s::text []
) as s (asset_id, executed_on, split_from, split_to, vendor_id, kind)
