-- why: a session whose bar an import stores is verified, with the days without trading before it; no other day is: what a
--      file leaves out proves nothing. What fails no longer is crossed off.
-- params: at (instant of the import). grain: one row an asset whose coverage grew.
-- reads: staged_import. reads and writes: coverage, fetch_failure.
-- used by: storage.imports
with stored as materialized (
    select
        asset_id,
        range_agg(daterange(covered_from, session, '[]')) as days
    from staged_import
    where outcome in ('inserted', 'changed', 'unchanged')
    group by asset_id
),

resolved as (
    update fetch_failure as f
    set
        sessions = f.sessions - s.days,
        resolved_at = case when isempty(f.sessions - s.days) then %(at)s::timestamptz end
    from stored as s
    where
        f.asset_id = s.asset_id
        and f.interval = '1d'
        and f.resolved_at is null
        and f.sessions && s.days
)

insert into coverage as c (asset_id, interval, verified, updated_at)
select
    asset_id,
    '1d',
    days,
    %(at)s::timestamptz
from stored
order by asset_id
on conflict (asset_id, interval) do update
set
    verified = c.verified + excluded.verified,
    provisional = c.provisional - excluded.verified,
    updated_at = excluded.updated_at
where not c.verified @> excluded.verified
