-- why: missing = expected - covered, for any number of assets in one pass: coverage is subtracted as ranges first, and
--      only the few distinct results meet the calendar.
-- params: asset_classes, asset_ids (null: all that are followed), first, last (the window, inclusive), today (a bar seen
--         before its day was over covers that day until the day has passed), is_exchange (XNYS days, else UTC days).
-- grain: one row a group of assets that miss the same sessions; arrays of the first and last session of each stretch.
-- reads: asset, coverage, trading_session.
-- used by: storage.gaps
with uncovered as (
    select
        a.asset_id,
        datemultirange(
            daterange(
                greatest(%(first)s::date, a.listed_on), least(%(last)s::date, a.delisted_on), '[]'
            )
        )
        - coalesce(c.verified, '{}')
        - (coalesce(c.provisional, '{}') * datemultirange(daterange(%(today)s::date, null))) as days
    from asset as a
    left join coverage as c on a.asset_id = c.asset_id and c.interval = '1d'
    where
        a.asset_class = any(%(asset_classes)s::text [])
        and case
            when %(asset_ids)s::bigint [] is null then a.inactive_since is null
            else a.asset_id = any(%(asset_ids)s::bigint [])
        end
        and greatest(%(first)s::date, a.listed_on) <= least(%(last)s::date, a.delisted_on)
),

alike as (
    select
        days,
        array_agg(asset_id order by asset_id) as asset_ids
    from uncovered
    where not isempty(days)
    group by days
),

stretched as (
    select
        alike.asset_ids,
        array_agg(stretch.first order by stretch.first) as firsts,
        array_agg(stretch.last order by stretch.first) as lasts
    from alike
    cross join lateral unnest(alike.days) as r (days)
    cross join lateral (
        select
            case
                when not %(is_exchange)s then lower(r.days)
                else (select min(t.session) from trading_session as t where t.session >= lower(r.days))
            end as first,
            case
                when not %(is_exchange)s then upper(r.days) - 1
                else (select max(t.session) from trading_session as t where t.session < upper(r.days))
            end as last
    ) as stretch
    where stretch.first <= stretch.last
    group by alike.asset_ids
)

select
    array_agg(m.asset_id order by m.asset_id) as asset_ids,
    s.firsts,
    s.lasts
from stretched as s
cross join lateral unnest(s.asset_ids) as m (asset_id)
group by s.firsts, s.lasts
order by min(m.asset_id)
