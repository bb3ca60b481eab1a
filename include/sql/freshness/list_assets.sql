-- why: what freshness is judged by, all assets at once and as plain numbers: a million Python objects would cost more than the
--      statement. Hours and minute prices are probed by their keys, for active assets only.
-- params: today (New York's), stock_since and stock_until (open and close of the current session), coin_since (start of the
--         UTC day), stock_session and coin_session (what the daily run owes), due_at (when it was due).
-- grain: one row an asset that is followed. Instants are microseconds since 1970, days are days since 1970; the smallest bigint
--        where there is none, which numpy reads as "not a time".
-- reads: asset, watchlist_member, market_overview, latest_price, bar_daily, bar_hourly, price_minute, coverage, ingest_call, fetch_failure.
-- used by: storage.freshness
with watched as (
    select asset_id from watchlist_member
    union
    select asset_id from market_overview
),

answered as (
    select
        c.vendor,
        c.asset_id
    from ingest_call as c
    where
        c.answered_at >= %(due_at)s::timestamptz
        and c.state = 'done'
        and c.purpose in ('fill', 'verify')
        and case c.vendor when 'coingecko' then %(coin_session)s::date else %(stock_session)s::date end
        between c.first and c.last
    union
    select
        f.vendor,
        f.asset_id
    from fetch_failure as f
    where
        f.resolved_at is null
        and f.kind = 'not_yet'
        and f.sessions
        @> case f.vendor when 'coingecko' then %(coin_session)s::date else %(stock_session)s::date end
),

followed as (
    select
        a.asset_id,
        a.symbol,
        a.created_at,
        a.asset_class = 'crypto' as is_coin,
        w.asset_id is not null and coalesce(a.delisted_on >= %(today)s::date, true) as is_active,
        case a.asset_class when 'crypto' then 'coingecko' else 'polygon' end as vendor,
        case a.asset_class when 'crypto' then %(coin_since)s::timestamptz else %(stock_since)s::timestamptz end as since,
        case when a.asset_class <> 'crypto' then %(stock_until)s::timestamptz else 'infinity' end as until,
        coalesce(a.listed_on, '-infinity') <= s.session and coalesce(a.delisted_on, 'infinity') >= s.session as is_due
    from asset as a
    left join watched as w on a.asset_id = w.asset_id
    cross join lateral (
        select case a.asset_class when 'crypto' then %(coin_session)s::date else %(stock_session)s::date end as session
    ) as s
    where a.inactive_since is null
)

select
    a.asset_id,
    a.symbol,
    a.is_coin,
    a.is_active,
    (extract(epoch from a.created_at) * 1000000)::bigint as created_at,
    coalesce((extract(epoch from p.at) * 1000000)::bigint, -9223372036854775808) as priced_at,
    coalesce(
        (extract(epoch from greatest(p.seen_at, p.fetched_at)) * 1000000)::bigint, -9223372036854775808
    ) as heard_at,
    coalesce((extract(epoch from h.starts_at) * 1000000)::bigint, -9223372036854775808) as hour_at,
    coalesce((extract(epoch from h.fetched_at) * 1000000)::bigint, -9223372036854775808) as hour_fetched_at,
    coalesce((extract(epoch from u.at) * 1000000)::bigint, -9223372036854775808) as unwritten_at,
    coalesce(upper(c.verified + c.provisional) - 1 - date '1970-01-01', -9223372036854775808) as covered_to,
    a.is_due,
    a.vendor in (select k.vendor from answered as k where k.asset_id is null)
    or a.asset_id in (select k.asset_id from answered as k where k.asset_id is not null) as is_answered,
    a.is_active and p.asset_id is null
    and not exists (select from bar_daily as d where d.asset_id = a.asset_id) as is_unknown
from followed as a
left join latest_price as p on a.asset_id = p.asset_id
left join coverage as c on a.asset_id = c.asset_id and c.interval = '1d'
left join lateral (
    select
        b.starts_at,
        b.fetched_at
    from bar_hourly as b
    where b.asset_id = a.asset_id and b.starts_at >= a.since and a.is_active
    order by b.starts_at desc
    limit 1
) as h on true
left join lateral (
    select m.at
    from price_minute as m
    where
        m.asset_id = a.asset_id
        and a.is_active
        and m.at >= a.since
        and m.at <= a.until
        and m.at > coalesce(h.starts_at + interval '1 hour', '-infinity')
        and p.at > coalesce(h.starts_at + interval '1 hour', '-infinity')
        and p.at >= a.since
    order by m.at
    limit 1
) as u on true
order by a.asset_id
