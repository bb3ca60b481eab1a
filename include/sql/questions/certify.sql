-- why: the certificate of some assets: each expected session is stored, proven absent, or unknown. What coverage calls
--      verified must have its bar or the evidence of its absence; what has neither, or both, or lies outside coverage, is
--      unknown and named.
-- params: asset_classes, vendors, firsts, lasts, todays (arrays of one length: each class with its window, inclusive, and
--         its day), asset_ids.
-- grain: one row an asset, by symbol; first and last are null where no session can be expected.
-- reads: asset, coverage, trading_session, bar_daily, absence.
-- used by: storage.certificates
with market as materialized (
    select m.*
    from unnest(
        %(asset_classes)s::text [], %(vendors)s::text [], %(firsts)s::date [], %(lasts)s::date [], %(todays)s::date []
    ) as m (asset_class, vendor, first, last, today)
),

wanted as materialized (
    select
        a.asset_id,
        a.symbol,
        a.asset_class = 'crypto' as is_crypto,
        m.today,
        greatest(m.first, a.listed_on) as first,
        least(m.last, a.delisted_on) as last,
        coalesce(c.verified, '{}') as verified,
        coalesce(c.provisional, '{}') as provisional
    from asset as a
    inner join market as m on a.asset_class = m.asset_class
    left join coverage as c on a.asset_id = c.asset_id and c.interval = '1d'
    where a.asset_id = any(%(asset_ids)s::bigint [])
)

select
    w.asset_id,
    w.symbol,
    case when w.first <= w.last then w.first end as first,
    case when w.first <= w.last then w.last end as last,
    s.expected,
    s.stored,
    s.absent,
    s.missing,
    s.provisional,
    s.unproven,
    s.contradictory,
    s.uncovered,
    d.bars,
    d.digest
from wanted as w
cross join lateral (
    select
        count(*) as expected,
        count(*) filter (where j.state = 'stored') as stored,
        count(*) filter (where j.state = 'absent') as absent,
        count(*) filter (where j.state = 'missing') as missing,
        count(*) filter (where j.state = 'provisional') as provisional,
        array_agg(j.session order by j.session) filter (where j.state = 'unproven') as unproven,
        array_agg(j.session order by j.session) filter (where j.state = 'contradictory') as contradictory,
        array_agg(j.session order by j.session) filter (where j.state = 'uncovered') as uncovered
    from (
        select
            e.session,
            case
                when b.session is not null and n.session is not null then 'contradictory'
                when w.verified @> e.session or (e.session >= w.today and w.provisional @> e.session)
                    then case
                        when b.session is not null then 'stored'
                        when n.session is not null then 'absent'
                        else 'unproven'
                    end
                when b.session is not null and not b.is_final and w.provisional @> e.session then 'provisional'
                when b.session is not null or n.session is not null then 'uncovered'
                else 'missing'
            end as state
        from (
            select t.session
            from trading_session as t
            where not w.is_crypto and t.session between w.first and w.last
            union all
            select w.first + g.day as session
            from generate_series(0, case when w.is_crypto then w.last - w.first else -1 end) as g (day)
        ) as e
        left join bar_daily as b
            on e.session = b.session and w.asset_id = b.asset_id and b.session between w.first and w.last
        left join absence as n
            on e.session = n.session and w.asset_id = n.asset_id and n.interval = '1d'
    ) as j
) as s
cross join lateral (
    select
        count(*) as bars,
        encode(sha256(convert_to(coalesce(string_agg(
            to_char(b.session, 'YYYY-MM-DD')
            || ',' || coalesce(b.open::text, '')
            || ',' || coalesce(b.high::text, '')
            || ',' || coalesce(b.low::text, '')
            || ',' || b.close::text
            || ',' || coalesce(b.volume::text, '')
            || ',' || coalesce(b.volume_24h::text, '')
            || ',' || coalesce(b.vwap::text, '')
            || ',' || coalesce(b.trades::text, '')
            || e'\n', '' order by b.session
        ), ''), 'UTF8')), 'hex') as digest
    from bar_daily as b
    where w.asset_id = b.asset_id and b.session between w.first and w.last
) as d
order by w.symbol collate "C"
