-- why: how much a vendor changed on each day, and where a close moved most.
-- params: asset_ids (null: all), since, until (instants; inclusive, exclusive; until null: open),
--         only_final (leave out bars whose day had not been over).
-- grain: one row a New York date with a change, newest first. reads: bar_daily_change (bar_revision, bar_daily), asset.
-- used by: storage.known_bars
with changed as (
    select
        c.*,
        a.symbol,
        (c.changed_at at time zone 'America/New_York')::date as day,
        c.new_close / c.close - 1 as relative
    from bar_daily_change as c
    inner join asset as a on c.asset_id = a.asset_id
    where
        c.changed_at >= %(since)s::timestamptz
        and c.changed_at < coalesce(%(until)s::timestamptz, 'infinity')
        and (%(asset_ids)s::bigint [] is null or c.asset_id = any(%(asset_ids)s::bigint []))
        and (c.was_final or not %(only_final)s::boolean)
)

select
    day,
    count(*) as changes,
    count(*) filter (where was_final) as corrections,
    count(distinct asset_id) as assets,
    min(session) as first,
    max(session) as last,
    (array_agg(symbol order by abs(relative) desc nulls last, symbol asc))[1] as most_changed,
    (array_agg(relative order by abs(relative) desc nulls last, symbol asc))[1] as relative
from changed
group by day
order by day desc
