-- why: where nothing is stored yet, bars can be copied straight into the table. Asked after the lock, in a statement of its
--      own, so that it sees what the lock's last holder stored. Lateral: one index probe an asset, whatever the statistics.
-- params: asset_ids, first, last (sessions, inclusive). grain: one row, a boolean. reads: bar_daily.
-- used by: storage.bar_writer
select
    not exists (
        select
        from unnest(%(asset_ids)s::bigint []) as a (asset_id)
        cross join lateral (
            select 1 as found
            from bar_daily as b
            where b.asset_id = a.asset_id and b.session between %(first)s::date and %(last)s::date
            order by b.session
            limit 1
        ) as stored
    ) as is_new_ground
