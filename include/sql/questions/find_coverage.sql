-- why: whether an answer covers a day of an asset.
-- params: asset_id, day. grain: one row or none. reads: coverage.
-- used by: storage.day_facts
select
    verified @> %(day)s::date as is_verified,
    provisional @> %(day)s::date as is_provisional,
    compared_at
from coverage
where asset_id = %(asset_id)s and interval = '1d'
