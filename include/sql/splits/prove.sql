-- why: what comparing our adjusted bars with the vendor's has shown.
-- params: asset_ids, executed_on, split_from, split_to, proofs, notes (arrays of one length), at (instant of the answer).
-- grain: one row a split. writes: split.
-- used by: storage.split_proofs
update split as s
set
    proof = g.proof,
    proof_note = g.note,
    proved_at = %(at)s::timestamptz
from unnest(
    %(asset_ids)s::bigint [], %(executed_on)s::date [], %(split_from)s::double precision [],
    %(split_to)s::double precision [], %(proofs)s::text [], %(notes)s::text []
) as g (asset_id, executed_on, split_from, split_to, proof, note)
where (s.asset_id, s.executed_on, s.split_from, s.split_to) = (g.asset_id, g.executed_on, g.split_from, g.split_to)
