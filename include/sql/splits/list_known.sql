-- why: what is new in a vendor's answer, what is known, and what it no longer holds.
-- params: asset_ids, since (date). grain: one row a split. reads: split.
-- used by: storage.corporate_actions
select
    asset_id,
    executed_on,
    split_from,
    split_to,
    vendor_id,
    kind,
    withdrawn_at is null as is_reported
from split
where asset_id = any(%(asset_ids)s::bigint []) and executed_on >= %(since)s::date
order by asset_id, executed_on, split_from, split_to
