-- why: the bars themselves, and what a bar was before its vendor changed it.
-- grain: one row an asset and session, an asset and hour, a replaced version of a bar.
-- A check refuses NaN and infinity by an upper bound, since a bare "close > 0" lets both in.
-- Bars have no foreign keys: they would cost more than the row itself, and the writer takes asset ids from asset.

create table bar_daily (
    asset_id bigint not null,
    fetched_at timestamptz not null,
    run_id bigint not null,
    open double precision,
    high double precision,
    low double precision,
    close double precision not null check (close > 0 and close < 'infinity'),
    volume double precision check (volume >= 0 and volume < 'infinity'),
    volume_24h double precision check (volume_24h >= 0 and volume_24h < 'infinity'),
    vwap double precision check (vwap >= 0 and vwap < 'infinity'),
    trades bigint check (trades >= 0),
    session date not null,
    is_final boolean not null,
    source text not null,
    primary key (asset_id, session),
    check (coalesce(
        low > 0 and low <= open and low <= close and high >= open and high >= close and high < 'infinity',
        num_nulls(open, high, low) = 3
    ))
);
comment on table bar_daily is 'Daily bars, raw prices as traded.';
comment on column bar_daily.asset_id is 'The asset.';
comment on column bar_daily.fetched_at is 'Instant at which the vendor answered with this version.';
comment on column bar_daily.run_id is 'Run that stored this version.';
comment on column bar_daily.open is 'First price in US dollars, raw as traded; null: the source gives closes only.';
comment on column bar_daily.high is 'Highest price in US dollars, raw; null as open.';
comment on column bar_daily.low is 'Lowest price in US dollars, raw; null as open.';
comment on column bar_daily.close is 'Last price in US dollars, raw.';
comment on column bar_daily.volume is 'Shares or coins traded, may be fractional; null: not given.';
comment on column bar_daily.volume_24h is 'US dollars traded in the 24 hours before the close (crypto); a rolling figure, never to be summed.';
comment on column bar_daily.vwap is 'Volume-weighted average price in US dollars; null: not given.';
comment on column bar_daily.trades is 'Number of trades; null: not given.';
comment on column bar_daily.session is 'New York date of a stock, UTC date of a coin.';
comment on column bar_daily.is_final is 'Whether it was seen after its day was over.';
comment on column bar_daily.source is 'Vendor that it comes from.';

create table bar_hourly (
    asset_id bigint not null,
    starts_at timestamptz not null,
    fetched_at timestamptz not null,
    run_id bigint not null,
    open double precision,
    high double precision,
    low double precision,
    close double precision not null check (close > 0 and close < 'infinity'),
    volume double precision check (volume >= 0 and volume < 'infinity'),
    vwap double precision check (vwap >= 0 and vwap < 'infinity'),
    trades bigint check (trades >= 0),
    is_final boolean not null,
    source text not null,
    primary key (asset_id, starts_at),
    check (coalesce(
        low > 0 and low <= open and low <= close and high >= open and high >= close and high < 'infinity',
        num_nulls(open, high, low) = 3
    ))
);
comment on table bar_hourly is 'Hourly bars anchored at the open of the session, raw prices as traded.';
comment on column bar_hourly.asset_id is 'The asset.';
comment on column bar_hourly.starts_at is 'Start of the hour.';
comment on column bar_hourly.fetched_at is 'Instant at which the vendor answered with this version.';
comment on column bar_hourly.run_id is 'Run that stored this version.';
comment on column bar_hourly.open is 'First price in US dollars, raw as traded; null: the source gives closes only.';
comment on column bar_hourly.high is 'Highest price in US dollars, raw; null as open.';
comment on column bar_hourly.low is 'Lowest price in US dollars, raw; null as open.';
comment on column bar_hourly.close is 'Last price in US dollars, raw.';
comment on column bar_hourly.volume is 'Shares or coins traded, may be fractional; null: not given.';
comment on column bar_hourly.vwap is 'Volume-weighted average price in US dollars; null: not given.';
comment on column bar_hourly.trades is 'Number of trades; null: not given.';
comment on column bar_hourly.is_final is 'Whether it was seen after its hour was over.';
comment on column bar_hourly.source is 'Vendor that it comes from.';

create table bar_revision (
    revision_id bigint generated always as identity primary key,
    asset_id bigint not null,
    interval text not null check (interval in ('1d', '1h')),
    session date,
    starts_at timestamptz,
    open double precision,
    high double precision,
    low double precision,
    close double precision not null,
    volume double precision,
    volume_24h double precision,
    vwap double precision,
    trades bigint,
    source text not null,
    is_final boolean not null,
    first_seen_at timestamptz not null,
    replaced_at timestamptz not null,
    run_id bigint not null,
    replaced_by_run_id bigint not null,
    check (num_nulls(session, starts_at) = 1)
);
comment on table bar_revision is 'What a bar was before its vendor changed it.';
comment on column bar_revision.revision_id is 'Identity of the revision.';
comment on column bar_revision.asset_id is 'The asset.';
comment on column bar_revision.interval is '1d or 1h.';
comment on column bar_revision.session is 'Session of a daily bar.';
comment on column bar_revision.starts_at is 'Start of an hourly bar.';
comment on column bar_revision.open is 'First price in US dollars, raw as traded; null: the source gives closes only.';
comment on column bar_revision.high is 'Highest price in US dollars, raw; null as open.';
comment on column bar_revision.low is 'Lowest price in US dollars, raw; null as open.';
comment on column bar_revision.close is 'Last price in US dollars, raw.';
comment on column bar_revision.volume is 'Shares or coins traded, may be fractional; null: not given.';
comment on column bar_revision.volume_24h is 'US dollars traded in the 24 hours before the close (crypto); a rolling figure, never to be summed.';
comment on column bar_revision.vwap is 'Volume-weighted average price in US dollars; null: not given.';
comment on column bar_revision.trades is 'Number of trades; null: not given.';
comment on column bar_revision.source is 'Vendor that it came from.';
comment on column bar_revision.is_final is 'Whether it was seen after its day or hour was over.';
comment on column bar_revision.first_seen_at is 'Instant at which the vendor had answered with this version.';
comment on column bar_revision.replaced_at is 'Instant at which the vendor answered with the next version.';
comment on column bar_revision.run_id is 'Run that had stored this version.';
comment on column bar_revision.replaced_by_run_id is 'Run that replaced it.';
create index bar_revision_asset on bar_revision (asset_id, session);

create table split (
    asset_id bigint not null references asset,
    executed_on date not null,
    split_from double precision not null check (split_from > 0 and split_from < 'infinity'),
    split_to double precision not null check (split_to > 0 and split_to < 'infinity'),
    fetched_at timestamptz not null,
    primary key (asset_id, executed_on)
);
comment on table split is 'Splits; bars stay raw, views adjust them.';
comment on column split.asset_id is 'The asset.';
comment on column split.executed_on is 'First session at the new share count.';
comment on column split.split_from is 'Shares before, as in 1 of a 4-for-1.';
comment on column split.split_to is 'Shares after, as in 4 of a 4-for-1.';
comment on column split.fetched_at is 'Instant at which the vendor answered.';
