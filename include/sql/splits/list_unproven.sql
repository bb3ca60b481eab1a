-- why: applied splits that the vendor's adjusted series can prove now: their day has come, and a final bar before it is stored.
--      One that differed is compared again each day of its first week, then once a week.
-- params: asset_ids, today (date), before (days before a split that are compared), again_before (instant).
-- grain: one row a split. reads: split, bar_daily.
-- used by: storage.split_proofs
select
    s.asset_id,
    s.executed_on,
    s.split_from,
    s.split_to
from split as s
where
    s.asset_id = any(%(asset_ids)s::bigint [])
    and s.state = 'applied'
    and s.executed_on <= %(today)s::date
    and (
        s.proof = 'pending'
        or (s.proof = 'differs' and (s.proved_at < %(again_before)s::timestamptz or s.executed_on > %(today)s::date - 7))
    )
    and exists (
        select from bar_daily as b
        where
            b.asset_id = s.asset_id
            and b.session < s.executed_on
            and b.session >= s.executed_on - %(before)s::integer
            and b.is_final
    )
order by s.asset_id, s.executed_on
