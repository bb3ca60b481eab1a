-- why: the stocks and ETFs that reference data are read for: all that are followed, those that the vendor did not know for a
--      while, and those asked for by name. With the oldest and the newest stored bar.
-- params: symbols (house symbols), asset_ids (both null: all). grain: one row an asset. reads: asset, reference_progress, bar_daily.
-- used by: storage.aliases
select
    a.asset_id,
    a.symbol,
    a.vendor_symbol,
    coalesce(a.figi, '') as figi,
    a.name,
    a.listed_on,
    a.delisted_on,
    coalesce(a.inactive_since = a.gone_on, false) as is_gone,
    p.identified_on is not null as is_identified,
    o.session as first_session,
    b.session as last_session
from asset as a
left join reference_progress as p on a.asset_id = p.asset_id
left join lateral (
    select n.session
    from bar_daily as n
    where n.asset_id = a.asset_id
    order by n.session
    limit 1
) as o on true
left join lateral (
    select n.session
    from bar_daily as n
    where n.asset_id = a.asset_id
    order by n.session desc
    limit 1
) as b on true
where
    a.asset_class in ('stock', 'etf')
    and case
        when %(asset_ids)s::bigint [] is not null then a.asset_id = any(%(asset_ids)s::bigint [])
        when %(symbols)s::text [] is not null then a.symbol = any(%(symbols)s::text [])
        else a.inactive_since is null or a.inactive_since = a.gone_on
    end
order by a.asset_id
