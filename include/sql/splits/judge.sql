-- why: the verdict on a split. Those held are written before those applied: at most one a day is applied at any instant.
--      A split that is applied anew is to be proven.
-- params: asset_ids, executed_on, split_from, split_to, reasons (arrays of one length), state.
-- grain: one row a split. writes: split.
-- used by: storage.corporate_actions
update split as s
set
    state = %(state)s,
    reason = g.reason,
    proof = case when s.state = %(state)s then s.proof else 'pending' end,
    proof_note = case when s.state = %(state)s then s.proof_note else '' end
from unnest(
    %(asset_ids)s::bigint [], %(executed_on)s::date [], %(split_from)s::double precision [],
    %(split_to)s::double precision [], %(reasons)s::text []
) as g (asset_id, executed_on, split_from, split_to, reason)
where (s.asset_id, s.executed_on, s.split_from, s.split_to) = (g.asset_id, g.executed_on, g.split_from, g.split_to)
