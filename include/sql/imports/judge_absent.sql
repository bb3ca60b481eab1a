-- why: a session that a vendor proved to have no bar is in conflict with a row that brings one; the vendor's word stands.
-- params: none. grain: one row a staged row. reads: absence. reads and writes: staged_import.
-- used by: storage.imports
with reach as materialized (
    select
        asset_id,
        min(session) as first,
        max(session) as last
    from staged_import
    where outcome = 'inserted'
    group by asset_id
),

proven as materialized (
    select near.*
    from reach as r
    cross join lateral (
        select
            a.asset_id,
            a.session
        from absence as a
        where a.asset_id = r.asset_id and a.interval = '1d' and a.session between r.first and r.last
        order by a.session
        offset 0
    ) as near
)

update staged_import as s
set
    outcome = 'conflicting',
    stored_source = 'absence'
from proven as p
where s.asset_id = p.asset_id and s.session = p.session and s.outcome = 'inserted'
