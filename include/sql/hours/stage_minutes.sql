-- why: hours from the minute prices that are stored anyway cost no vendor call. An hour has the prices after its start, up to
--      and with its end, since a price stands for what was traded before it; the first hour has that of its start too.
--      A stock's volume is what its count of the session grew by since the hour before, or in the first hour since the last
--      price before the open, or failing that since the hour's own first: added up, hours count no share twice. Null where the
--      count is not given, or sank.
--      An hour is known since it was built, and not before the newest answer that it is made of: a tick of prices beside this
--      one may have stored some since the clock was read.
-- params: asset_ids, run_id, source, now (instant of building), seen_until (up to which the prices tell: earlier where the plan
--         delays them); anchor (start of the first hour of the session), lowest (first instant that belongs to the hours
--         wanted), last (end of the session, inclusive), opened (nothing before it is the session's).
-- grain: one row an asset and hour with a price. reads: price_minute. writes: staged_bar_hourly.
-- used by: storage.hourly_bars
insert into staged_bar_hourly (
    asset_id, starts_at, fetched_at, run_id, open, high, low, close, volume, is_final, source
)
select
    wanted.asset_id,
    h.starts_at,
    greatest(%(now)s::timestamptz, h.answered_at),
    %(run_id)s::bigint,
    h.open,
    h.high,
    h.low,
    h.close,
    case when h.growth >= 0 then h.growth end,
    h.starts_at + interval '1 hour' <= %(seen_until)s::timestamptz
    or (h.starts_at + interval '1 hour' > %(last)s::timestamptz and %(last)s::timestamptz < %(seen_until)s::timestamptz),
    %(source)s
from unnest(%(asset_ids)s::bigint []) as wanted (asset_id)
left join lateral (
    select p.volume
    from price_minute as p
    where
        p.asset_id = wanted.asset_id
        and p.at >= %(opened)s::timestamptz
        and p.at < %(lowest)s::timestamptz
        and p.volume is not null
    order by p.at desc
    limit 1
) as before on true
cross join lateral (
    select
        m.starts_at,
        (array_agg(m.price order by m.at))[1] as open,
        max(m.price) as high,
        min(m.price) as low,
        (array_agg(m.price order by m.at))[count(*)] as close,
        max(m.volume) - coalesce(
            max(max(m.volume)) over (order by m.starts_at rows between unbounded preceding and 1 preceding),
            before.volume,
            min(m.volume)
        ) as growth,
        max(max(m.fetched_at)) over (order by m.starts_at) as answered_at
    from (
        select
            p.at,
            p.fetched_at,
            p.price,
            p.volume,
            greatest(
                date_bin('1 hour', p.at - interval '1 microsecond', %(anchor)s::timestamptz), %(anchor)s::timestamptz
            ) as starts_at
        from price_minute as p
        where
            p.asset_id = wanted.asset_id
            and p.at >= %(lowest)s::timestamptz
            and p.at <= %(last)s::timestamptz
        order by p.at
        offset 0 -- keeps it one index scan an asset, whatever the statistics
    ) as m
    group by m.starts_at
) as h
