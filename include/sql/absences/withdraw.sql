-- why: a bar arrived for a session that was proven empty before: the absence is over.
-- params: asset_ids, first, last (inclusive). grain: one row an absence. reads: bar_daily. writes: absence.
-- used by: storage.bar_writer
delete from absence as a
where
    a.interval = '1d'
    and a.asset_id = any(%(asset_ids)s::bigint [])
    and a.session between %(first)s::date and %(last)s::date
    and exists (
        select from bar_daily as b
        where b.asset_id = a.asset_id and b.session = a.session
    )
