-- why: a series without a jump where its asset split was stored adjusted.
-- params: asset_ids. grain: one row a split that counts. reads: split.
-- used by: storage.imports
select
    asset_id,
    executed_on,
    split_to / split_from as ratio
from split
where asset_id = any(%(asset_ids)s::bigint []) and state = 'applied'
order by asset_id, executed_on
