-- why: what a vendor changed, newest first: the values before and after.
-- params: asset_ids (null: all), since, until (instants; inclusive, exclusive; until null: open),
--         only_final (leave out bars whose day had not been over), most (rows at most).
-- grain: one row a replaced version of a daily bar. reads: bar_daily_change (bar_revision, bar_daily), asset.
-- used by: storage.known_bars
select
    c.asset_id,
    a.symbol,
    c.session,
    c.was_final,
    c.known_since,
    c.changed_at,
    c.run_id,
    c.changed_by_run_id,
    c.source,
    c.new_source,
    array[c.open, c.high, c.low, c.close, c.volume, c.volume_24h, c.vwap, c.trades::double precision] as old,
    array[
        c.new_open, c.new_high, c.new_low, c.new_close, c.new_volume, c.new_volume_24h, c.new_vwap,
        c.new_trades::double precision
    ] as new
from bar_daily_change as c
inner join asset as a on c.asset_id = a.asset_id
where
    c.changed_at >= %(since)s::timestamptz
    and c.changed_at < coalesce(%(until)s::timestamptz, 'infinity')
    and (%(asset_ids)s::bigint [] is null or c.asset_id = any(%(asset_ids)s::bigint []))
    and (c.was_final or not %(only_final)s::boolean)
order by c.changed_at desc, a.symbol asc, c.session desc, c.revision_id desc
limit %(most)s::bigint
