-- why: what the bar of a day was before.
-- params: asset_id, day. grain: one row a replaced version, oldest first. reads: bar_revision.
-- used by: storage.day_facts
select
    open,
    high,
    low,
    close,
    volume,
    volume_24h,
    vwap,
    trades,
    is_final,
    first_seen_at,
    replaced_at,
    run_id,
    replaced_by_run_id
from bar_revision
where asset_id = %(asset_id)s and interval = '1d' and session = %(day)s::date
order by revision_id
