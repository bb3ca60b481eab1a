-- why: a run reminds of what is held, also when nothing about it is new.
-- params: asset_ids. grain: one row. reads: split.
-- used by: storage.corporate_actions
select count(*)
from split
where asset_id = any(%(asset_ids)s::bigint []) and state = 'held'
