-- why: the splits of these assets are known up to this day.
-- params: asset_ids, through (date). grain: one row an asset. writes: reference_progress.
-- used by: storage.corporate_actions
insert into reference_progress (asset_id, splits_through)
select
    a.asset_id,
    %(through)s::date
from unnest(%(asset_ids)s::bigint []) as a (asset_id)
order by a.asset_id
on conflict (asset_id) do update
set splits_through = excluded.splits_through
where reference_progress.splits_through is distinct from excluded.splits_through
