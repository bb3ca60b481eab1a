-- why: which assets' splits and dividends are read from the beginning, and since when those of the others.
-- params: asset_ids. grain: one row an asset. reads: reference_progress.
-- used by: storage.corporate_actions
select
    a.asset_id,
    p.splits_through,
    p.dividends_through
from unnest(%(asset_ids)s::bigint []) as a (asset_id)
left join reference_progress as p on a.asset_id = p.asset_id
