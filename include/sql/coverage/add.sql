-- why: note the days that an answer covers, in the transaction that stores its bars. A day once verified stays so.
-- params: asset_ids, verified, provisional (datemultirange, disjoint), at (instant).
-- grain: one row an asset whose coverage grew. reads and writes: coverage.
-- used by: storage.bar_writer
insert into coverage as c (asset_id, interval, verified, provisional, updated_at)
select
    a.asset_id,
    '1d',
    %(verified)s::datemultirange,
    %(provisional)s::datemultirange,
    %(at)s::timestamptz
from unnest(%(asset_ids)s::bigint []) as a (asset_id)
order by a.asset_id
on conflict (asset_id, interval) do update
set
    verified = c.verified + excluded.verified,
    provisional = (c.provisional + excluded.provisional) - (c.verified + excluded.verified),
    updated_at = excluded.updated_at
where not (
    c.verified @> excluded.verified
    and (c.verified + c.provisional) @> excluded.provisional
)
