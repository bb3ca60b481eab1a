-- why: the series as it was known at an instant, and what a vendor changed, where any reader of SQL can ask for them.
-- grain: one row a version of a daily bar; one row a replaced version with the one that replaced it.
-- A version is known from the answer that first gave it until the answer that changed it, so that at each instant at most
-- one version of a bar is known.

comment on column bar_daily.fetched_at is 'Instant at which the vendor first answered with this version.';
comment on column bar_daily.run_id is 'Run that first stored this version.';

create index bar_revision_replaced on bar_revision (replaced_at);

create view bar_daily_version as
select
    asset_id,
    session,
    open,
    high,
    low,
    close,
    volume,
    volume_24h,
    vwap,
    trades,
    is_final,
    source,
    run_id,
    fetched_at as known_since,
    null::timestamptz as known_until
from bar_daily
union all
select
    asset_id,
    session,
    open,
    high,
    low,
    close,
    volume,
    volume_24h,
    vwap,
    trades,
    is_final,
    source,
    run_id,
    first_seen_at as known_since,
    replaced_at as known_until
from bar_revision
where interval = '1d';
comment on view bar_daily_version is 'All versions of daily bars, present and replaced, raw prices, each with the time in which it was known.';
comment on column bar_daily_version.asset_id is 'The asset.';
comment on column bar_daily_version.session is 'New York date of a stock, UTC date of a coin.';
comment on column bar_daily_version.open is 'First price in US dollars, raw as traded; null: the source gives closes only.';
comment on column bar_daily_version.high is 'Highest price in US dollars, raw; null as open.';
comment on column bar_daily_version.low is 'Lowest price in US dollars, raw; null as open.';
comment on column bar_daily_version.close is 'Last price in US dollars, raw.';
comment on column bar_daily_version.volume is 'Shares or coins traded, may be fractional; null: not given.';
comment on column bar_daily_version.volume_24h is 'US dollars traded in the 24 hours before the close (crypto); a rolling figure, never to be summed.';
comment on column bar_daily_version.vwap is 'Volume-weighted average price in US dollars; null: not given.';
comment on column bar_daily_version.trades is 'Number of trades; null: not given.';
comment on column bar_daily_version.is_final is 'Whether this version was ever seen after its day was over, be it later than the instant asked for.';
comment on column bar_daily_version.source is 'Vendor that it comes from.';
comment on column bar_daily_version.run_id is 'Run that first stored this version.';
comment on column bar_daily_version.known_since is 'Instant at which the vendor first answered with this version, inclusive.';
comment on column bar_daily_version.known_until is 'Instant at which the vendor answered with the next version, exclusive; null: it is the present one.';

create function bar_daily_as_of(asset_id bigint, first date, last date, known_at timestamptz)
returns table (
    session date,
    open double precision,
    high double precision,
    low double precision,
    close double precision,
    volume double precision,
    volume_24h double precision,
    vwap double precision,
    trades bigint,
    is_final boolean,
    source text,
    run_id bigint,
    known_since timestamptz,
    known_until timestamptz
)
language sql stable parallel safe
as $$
    -- Not from the view: there a join would look through the revisions of all assets.
    select
        b.session, b.open, b.high, b.low, b.close, b.volume, b.volume_24h, b.vwap, b.trades, b.is_final, b.source, b.run_id,
        b.fetched_at, null::timestamptz
    from marketdata.bar_daily as b
    where b.asset_id = $1 and b.session between $2 and $3 and b.fetched_at <= $4
    union all
    select
        r.session, r.open, r.high, r.low, r.close, r.volume, r.volume_24h, r.vwap, r.trades, r.is_final, r.source, r.run_id,
        r.first_seen_at, r.replaced_at
    from marketdata.bar_revision as r
    where
        r.asset_id = $1
        and r.session between $2 and $3
        and r.interval = '1d'
        and r.first_seen_at <= $4
        and r.replaced_at > $4
$$;
comment on function bar_daily_as_of is 'Daily bars of an asset from first to last, both inclusive, as they were known at an instant; raw prices.';

create view bar_daily_change as
select
    r.revision_id,
    r.asset_id,
    r.session,
    r.is_final as was_final,
    r.first_seen_at as known_since,
    r.replaced_at as changed_at,
    r.run_id,
    r.replaced_by_run_id as changed_by_run_id,
    r.source,
    n.source as new_source,
    r.open,
    r.high,
    r.low,
    r.close,
    r.volume,
    r.volume_24h,
    r.vwap,
    r.trades,
    n.open as new_open,
    n.high as new_high,
    n.low as new_low,
    n.close as new_close,
    n.volume as new_volume,
    n.volume_24h as new_volume_24h,
    n.vwap as new_vwap,
    n.trades as new_trades
from bar_revision as r
left join lateral (
    select version.*
    from (
        select
            later.revision_id,
            later.source,
            later.open,
            later.high,
            later.low,
            later.close,
            later.volume,
            later.volume_24h,
            later.vwap,
            later.trades
        from bar_revision as later
        where
            later.asset_id = r.asset_id
            and later.session = r.session
            and later.interval = '1d'
            and later.revision_id > r.revision_id
        union all
        select
            null::bigint as revision_id,
            b.source,
            b.open,
            b.high,
            b.low,
            b.close,
            b.volume,
            b.volume_24h,
            b.vwap,
            b.trades
        from bar_daily as b
        where b.asset_id = r.asset_id and b.session = r.session
    ) as version
    order by version.revision_id nulls last
    limit 1
) as n on true
where r.interval = '1d';
comment on view bar_daily_change is 'What a vendor changed: each replaced version of a daily bar beside the next one; one that was taken back has none.';
comment on column bar_daily_change.revision_id is 'Identity of the replaced version.';
comment on column bar_daily_change.asset_id is 'The asset.';
comment on column bar_daily_change.session is 'New York date of a stock, UTC date of a coin.';
comment on column bar_daily_change.was_final is 'Whether the replaced version was final; else its day had not been over and a change was to be expected.';
comment on column bar_daily_change.known_since is 'Instant at which the vendor first answered with the replaced version.';
comment on column bar_daily_change.changed_at is 'Instant at which the vendor answered with the version that replaced it, or at which it was taken back.';
comment on column bar_daily_change.run_id is 'Run that had stored the replaced version.';
comment on column bar_daily_change.changed_by_run_id is 'Run that replaced it.';
comment on column bar_daily_change.source is 'Vendor of the replaced version.';
comment on column bar_daily_change.new_source is 'Vendor of the version that replaced it; null: it was taken back.';
comment on column bar_daily_change.open is 'First price before, in US dollars, raw; null: closes only.';
comment on column bar_daily_change.high is 'Highest price before, in US dollars, raw; null as open.';
comment on column bar_daily_change.low is 'Lowest price before, in US dollars, raw; null as open.';
comment on column bar_daily_change.close is 'Last price before, in US dollars, raw.';
comment on column bar_daily_change.volume is 'Shares or coins traded before; null: not given.';
comment on column bar_daily_change.volume_24h is 'Rolling 24 h volume before, in US dollars (crypto); never to be summed.';
comment on column bar_daily_change.vwap is 'Volume-weighted average price before, in US dollars; null: not given.';
comment on column bar_daily_change.trades is 'Number of trades before; null: not given.';
comment on column bar_daily_change.new_open is 'First price after, in US dollars, raw; null: closes only.';
comment on column bar_daily_change.new_high is 'Highest price after, in US dollars, raw; null as new_open.';
comment on column bar_daily_change.new_low is 'Lowest price after, in US dollars, raw; null as new_open.';
comment on column bar_daily_change.new_close is 'Last price after, in US dollars, raw; null: it was taken back.';
comment on column bar_daily_change.new_volume is 'Shares or coins traded after; null: not given.';
comment on column bar_daily_change.new_volume_24h is 'Rolling 24 h volume after, in US dollars (crypto); never to be summed.';
comment on column bar_daily_change.new_vwap is 'Volume-weighted average price after, in US dollars; null: not given.';
comment on column bar_daily_change.new_trades is 'Number of trades after; null: not given.';
