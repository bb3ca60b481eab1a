-- why: what still fails on a day: of the asset first, then of the whole market.
-- params: asset_id, vendor, day. grain: one row an open failure. reads: fetch_failure.
-- used by: storage.day_facts
select
    vendor,
    asset_id is null as whole_market,
    kind,
    message,
    next_step,
    attempts,
    first_failed_at,
    last_failed_at,
    retry_at,
    run_id,
    call_id
from fetch_failure
where
    resolved_at is null
    and interval = '1d'
    and vendor = %(vendor)s
    and (asset_id = %(asset_id)s or asset_id is null)
    and sessions @> %(day)s::date
order by asset_id is null asc, last_failed_at desc
