-- why: what the vendor no longer reports, or reports again.
-- params: asset_ids, executed_on, split_from, split_to (arrays of one length), withdrawn_at (null: reported again).
-- grain: one row a split. writes: split.
-- used by: storage.corporate_actions
update split as s
set withdrawn_at = %(withdrawn_at)s::timestamptz
from unnest(
    %(asset_ids)s::bigint [], %(executed_on)s::date [], %(split_from)s::double precision [],
    %(split_to)s::double precision []
) as g (asset_id, executed_on, split_from, split_to)
where (s.asset_id, s.executed_on, s.split_from, s.split_to) = (g.asset_id, g.executed_on, g.split_from, g.split_to)
