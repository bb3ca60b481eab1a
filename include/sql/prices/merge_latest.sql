-- why: the newest price of each asset, with its change since the close of the session before, from our own bars: the newest
--      bar of the 35 days before, put on the share count of the price's session by the splits that are applied since then,
--      one of that very day included. The bar of the session itself, where it is stored already, is not before it.
--      A price of an earlier instant leaves the row as it is; so does one of the same instant from an earlier answer. The
--      price decides where both are the same, so that the row never depends on who wrote first.
--      The difference is one of decimals, as people take it: 10.1 - 10 is 0.1.
-- params: run_id, vendor, delayed, at (instant of the answer); earliest, latest (dates that no price's session lies outside of:
--         they spare old chunks).
-- grain: one row an asset. reads: staged_price, asset, bar_daily, split. reads and writes: latest_price.
-- used by: storage.prices
with tick as materialized (
    select
        s.*,
        (s.at at time zone case a.asset_class when 'crypto' then 'UTC' else 'America/New_York' end)::date as session
    from staged_price as s
    inner join asset as a on s.asset_id = a.asset_id
)

insert into latest_price as l (
    asset_id, at, fetched_at, seen_at, run_id, price, previous_close, change, change_percent, volume, volume_24h, session,
    previous_session, delayed, source
)
select
    t.asset_id,
    t.at,
    %(at)s::timestamptz,
    %(at)s::timestamptz,
    %(run_id)s::bigint,
    t.price,
    p.close,
    (t.price::numeric - p.close::numeric)::double precision,
    round((t.price - p.close) / p.close * 1e8) / 1e6, -- percent to 6 decimals, in floats: numerics are slow
    t.volume,
    t.volume_24h,
    t.session,
    p.session as previous_session,
    %(delayed)s::boolean,
    %(vendor)s
from tick as t
left join lateral (
    select
        b.session,
        b.close * coalesce((
            select product(f.split_from) / product(f.split_to)
            from split as f
            where
                f.asset_id = t.asset_id
                and f.state = 'applied'
                and f.executed_on > b.session
                and f.executed_on <= t.session
        ), 1) as close
    from bar_daily as b
    where
        b.asset_id = t.asset_id
        and b.session < t.session
        and b.session >= t.session - 35
        and b.session between %(earliest)s::date - 35 and %(latest)s::date
    order by b.session desc
    limit 1
) as p on true
order by t.asset_id
on conflict (asset_id) do update
set
    at = excluded.at,
    fetched_at = excluded.fetched_at,
    seen_at = greatest(l.seen_at, excluded.seen_at),
    run_id = excluded.run_id,
    price = excluded.price,
    previous_close = excluded.previous_close,
    change = excluded.change,
    change_percent = excluded.change_percent,
    volume = excluded.volume,
    volume_24h = excluded.volume_24h,
    session = excluded.session,
    previous_session = excluded.previous_session,
    delayed = excluded.delayed,
    source = excluded.source
where (excluded.at, excluded.fetched_at, excluded.price) >= (l.at, l.fetched_at, l.price)
