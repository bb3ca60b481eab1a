-- why: what is missing and why: what coverage leaves of the window is parted by the first reason that holds, in the order
--      of what stands in the way of the next try.
-- params: asset_classes, vendors, firsts, lasts, todays (arrays of one length: each class with its vendor, its window,
--         inclusive, and its day), asset_ids (null: all that are followed), probe_days (older knowledge of a key's history
--         is found out anew).
-- grain: one row a group of assets that miss the same days for the same reason; arrays of the first and last day of each
--        stretch, days off included.
-- reads: asset, coverage, entitlement, quarantine, ingest_call, ingest_run (a call that a closed run left is not planned),
--        fetch_failure.
-- used by: storage.questions
with market as materialized (
    select m.*
    from unnest(
        %(asset_classes)s::text [], %(vendors)s::text [], %(firsts)s::date [], %(lasts)s::date [], %(todays)s::date []
    ) as m (asset_class, vendor, first, last, today)
),

reach as materialized (
    select distinct on (e.vendor)
        e.vendor,
        datemultirange(daterange(null, e.earliest + (m.today - e.learnt_on))) as beyond
    from entitlement as e
    inner join market as m on e.vendor = m.vendor
    where
        e.capability = 'daily_history'
        and e.earliest is not null
        and m.today - e.learnt_on < %(probe_days)s::integer
    order by e.vendor asc, e.learnt_on desc
),

missing as materialized (
    select u.*
    from (
        select
            a.asset_id,
            a.symbol,
            a.asset_class = 'crypto' as is_crypto,
            a.inactive_since is null as is_followed,
            m.vendor,
            coalesce(c.provisional, '{}') as provisional,
            datemultirange(
                daterange(greatest(m.first, a.listed_on), least(m.last, a.delisted_on), '[]')
            )
            - coalesce(c.verified, '{}')
            - (coalesce(c.provisional, '{}') * datemultirange(daterange(m.today, null))) as days
        from asset as a
        inner join market as m on a.asset_class = m.asset_class
        left join coverage as c on a.asset_id = c.asset_id and c.interval = '1d'
        where
            case
                when %(asset_ids)s::bigint [] is null then a.inactive_since is null
                else a.asset_id = any(%(asset_ids)s::bigint [])
            end
            and greatest(m.first, a.listed_on) <= least(m.last, a.delisted_on)
    ) as u
    where not isempty(u.days)
),

refused as (
    select
        q.asset_id,
        range_agg(daterange(q.session, q.session, '[]')) as days,
        (array_agg(q.reason order by q.quarantine_id desc))[1] as reason
    from quarantine as q
    where q.session is not null and q.asset_id in (select m.asset_id from missing as m)
    group by q.asset_id
),

asked as (
    select
        c.asset_id,
        c.vendor,
        range_agg(daterange(c.first, c.last, '[]')) filter (where c.state = 'done') as answered,
        range_agg(daterange(c.first, c.last, '[]')) filter (where c.state = 'pending') as planned
    from ingest_call as c
    where
        (
            c.state = 'done'
            or (
                c.state = 'pending'
                and c.purpose = 'fill'
                and c.run_id in (select r.run_id from ingest_run as r where r.state in ('planned', 'running'))
            )
        )
        and c.purpose in ('fill', 'verify')
        and (c.asset_id is null or c.asset_id in (select m.asset_id from missing as m))
    group by c.asset_id, c.vendor
),

open_failure as (
    select
        f.failure_id,
        f.asset_id,
        f.vendor,
        f.sessions
    from fetch_failure as f
    where f.resolved_at is null and f.interval = '1d'
),

parted as (
    select
        m.asset_id,
        m.symbol,
        m.is_crypto,
        m.is_followed,
        m.vendor,
        p.cause,
        p.days,
        p.reason,
        p.failure_id
    from missing as m
    left join reach as r on m.vendor = r.vendor
    left join refused as q on m.asset_id = q.asset_id
    left join open_failure as f on m.asset_id = f.asset_id and m.vendor = f.vendor
    left join open_failure as g on g.asset_id is null and m.vendor = g.vendor
    left join asked as c on m.asset_id = c.asset_id and m.vendor = c.vendor
    left join asked as d on d.asset_id is null and m.vendor = d.vendor
    cross join lateral (
        select
            held.cause,
            held.reason,
            held.failure_id,
            held.days - coalesce(
                range_agg(held.days) over (order by held.place rows between unbounded preceding and 1 preceding), '{}'
            ) as days
        from (
            values
            (1, 'clipped', m.days * r.beyond, null::text, null::bigint),
            (2, 'refused', m.days * q.days, q.reason, null),
            (3, 'failed', m.days * f.sessions, null, f.failure_id),
            (4, 'failed', m.days * g.sessions, null, g.failure_id),
            (5, 'provisional', m.days * m.provisional, null, null),
            (6, 'planned', m.days * (coalesce(c.planned, '{}') + coalesce(d.planned, '{}')), null, null),
            (7, 'left_open', m.days * (coalesce(c.answered, '{}') + coalesce(d.answered, '{}')), null, null),
            (8, 'never_asked', m.days, null, null)
        ) as held (place, cause, days, reason, failure_id)
    ) as p
    where not isempty(p.days)
),

alike as (
    select
        cause,
        vendor,
        is_crypto,
        is_followed,
        reason,
        failure_id,
        days,
        array_agg(asset_id order by symbol) as asset_ids,
        array_agg(symbol order by symbol) as symbols
    from parted
    group by cause, vendor, is_crypto, is_followed, reason, failure_id, days
)

select
    g.cause,
    g.vendor,
    g.is_crypto,
    g.is_followed,
    g.asset_ids,
    g.symbols,
    s.firsts,
    s.lasts,
    coalesce(f.kind, '') as kind,
    coalesce(f.message, g.reason, '') as message,
    coalesce(f.next_step, '') as next_step,
    coalesce(f.attempts, 0) as attempts,
    f.last_failed_at,
    f.retry_at
from alike as g
left join fetch_failure as f on g.failure_id = f.failure_id
cross join lateral (
    select
        array_agg(lower(r.days) order by r.days) as firsts,
        array_agg(upper(r.days) - 1 order by r.days) as lasts
    from unnest(g.days) as r (days)
) as s
order by g.symbols[1], s.firsts[1], g.cause
