-- why: what is followed, since when, under which names, and how much of it is stored.
-- params: symbols (null: all), with_inactive (also those that nobody follows), today (a date).
-- grain: one row an asset, by symbol. reads: asset, asset_alias, coverage, bar_daily, watchlist, watchlist_member,
--        market_overview.
-- used by: storage.followed_assets
select
    a.symbol,
    a.asset_class,
    a.vendor_symbol,
    a.name,
    case
        when a.inactive_since is not null then 'inactive'
        when a.delisted_on < %(today)s::date then 'delisted'
        else 'followed'
    end as status,
    a.listed_on,
    a.delisted_on,
    a.inactive_since,
    lower(c.verified + c.provisional) as covered_first,
    upper(c.verified + c.provisional) - 1 as covered_last,
    (
        select count(*)
        from bar_daily as b
        where b.asset_id = a.asset_id
    ) as bars,
    coalesce((
        select array_agg(n.symbol order by n.valid)
        from asset_alias as n
        where n.asset_id = a.asset_id and n.symbol <> a.vendor_symbol
    ), '{}') as former_names,
    coalesce((
        select array_agg(w.name order by w.name)
        from watchlist_member as m
        inner join watchlist as w on m.watchlist_id = w.watchlist_id
        where m.asset_id = a.asset_id
    ), '{}') as watchlists,
    o.position as overview_position
from asset as a
left join coverage as c on a.asset_id = c.asset_id and c.interval = '1d'
left join market_overview as o on a.asset_id = o.asset_id
where
    (%(symbols)s::text [] is null or a.symbol = any(%(symbols)s::text []))
    and (a.inactive_since is null or %(with_inactive)s::boolean)
order by a.symbol
