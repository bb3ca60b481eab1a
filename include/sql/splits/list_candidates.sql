-- why: a split is judged by the raw prices around it and by the asset's other splits, again at each sync until the vendor's own
--      series has proven it.
-- params: asset_ids, reach (days that a close may be older, or an open later, than the split's day).
-- grain: one row a split of each asset with a split that is not settled. reads: split, bar_daily.
-- used by: storage.corporate_actions
with unsettled as (
    select distinct asset_id
    from split
    where
        asset_id = any(%(asset_ids)s::bigint [])
        and (state = 'held' or proof <> 'proven' or withdrawn_at is not null)
)

select
    s.asset_id,
    s.executed_on,
    s.split_from,
    s.split_to,
    s.state = 'applied' as is_applied,
    s.reason,
    s.withdrawn_at is null as is_reported,
    b.close as close_before,
    o.open as open_after
from split as s
inner join unsettled as u on s.asset_id = u.asset_id
left join lateral (
    select n.close
    from bar_daily as n
    where n.asset_id = s.asset_id and n.session < s.executed_on and n.session >= s.executed_on - %(reach)s::integer
    order by n.session desc
    limit 1
) as b on true
left join lateral (
    select n.open
    from bar_daily as n
    where n.asset_id = s.asset_id and n.session >= s.executed_on and n.session < s.executed_on + %(reach)s::integer
    order by n.session
    limit 1
) as o on true
order by s.asset_id, s.executed_on, s.split_from, s.split_to
