-- why: prices of the day as the vendors give them, the newest one of each asset, and the way in which a vendor gives them.
-- grain: one row an asset and instant of a price, an asset, a vendor and feed.
-- Minute prices have no foreign keys, as bars have none. They are kept for good: nothing deletes them by itself. Each answer
-- that shows a price again moves its fetched_at, and most rows of latest_price change each minute, so both leave room in
-- their pages for versions of a row that no index needs to know of.

create table price_minute (
    asset_id bigint not null,
    at timestamptz not null,
    fetched_at timestamptz not null,
    run_id bigint not null,
    price double precision not null check (price > 0 and price < 'infinity'),
    volume double precision check (volume >= 0 and volume < 'infinity'),
    delayed boolean not null,
    source text not null,
    primary key (asset_id, at)
) with (fillfactor = 90);
comment on table price_minute is 'Prices of active assets, raw as traded, one a change of the vendor''s own time; asked for each minute.';
comment on column price_minute.asset_id is 'The asset.';
comment on column price_minute.at is 'Instant of the price by the vendor''s own clock; it stands still where nothing is traded.';
comment on column price_minute.fetched_at is 'Instant of the newest answer that gave this price.';
comment on column price_minute.run_id is 'Run that asked for that answer.';
comment on column price_minute.price is 'Price in US dollars, raw as traded.';
comment on column price_minute.volume is 'Shares traded in the session so far; null: not given.';
comment on column price_minute.delayed is 'Whether the vendor marked the answer as delayed by its plan.';
comment on column price_minute.source is 'Vendor that it comes from.';

create table latest_price (
    asset_id bigint primary key references asset,
    at timestamptz not null,
    fetched_at timestamptz not null,
    seen_at timestamptz not null,
    run_id bigint not null,
    price double precision not null check (price > 0 and price < 'infinity'),
    previous_close double precision check (previous_close > 0 and previous_close < 'infinity'),
    change double precision check (change > '-infinity' and change < 'infinity'),
    change_percent double precision check (change_percent > '-infinity' and change_percent < 'infinity'),
    volume double precision check (volume >= 0 and volume < 'infinity'),
    volume_24h double precision check (volume_24h >= 0 and volume_24h < 'infinity'),
    session date not null,
    previous_session date,
    delayed boolean not null,
    source text not null,
    check (num_nulls(previous_close, previous_session, change, change_percent) in (0, 4))
) with (fillfactor = 50);
comment on table latest_price is 'The newest price of each asset by the vendor''s own time, with its change since the close of the session before.';
comment on column latest_price.asset_id is 'The asset.';
comment on column latest_price.at is 'Instant of the price by the vendor''s own clock; an older one never replaces a newer one.';
comment on column latest_price.fetched_at is 'Instant of the newest answer that gave this price.';
comment on column latest_price.seen_at is 'Instant of the newest answer that named the asset, with or without a price.';
comment on column latest_price.run_id is 'Run that asked for the answer of fetched_at.';
comment on column latest_price.price is 'Price in US dollars, raw as traded.';
comment on column latest_price.previous_close is 'Close of previous_session in US dollars, on the share count of session; null: no bar in the 35 days before.';
comment on column latest_price.change is 'price less previous_close, in US dollars; null as previous_close.';
comment on column latest_price.change_percent is 'change in percent of previous_close, to 6 decimals; null as previous_close.';
comment on column latest_price.volume is 'Shares traded in the session so far; null: not given.';
comment on column latest_price.volume_24h is 'US dollars traded in the 24 hours before (crypto); a rolling figure, never to be summed; null: not given.';
comment on column latest_price.session is 'Session of the price: New York date of a stock, UTC date of a coin.';
comment on column latest_price.previous_session is 'Newest session before it with a daily bar; null as previous_close.';
comment on column latest_price.delayed is 'Whether the vendor marked the answer as delayed by its plan.';
comment on column latest_price.source is 'Vendor that it comes from.';

create table realtime_feed (
    vendor text not null,
    feed text not null check (feed in ('latest', 'hourly')),
    way text not null check (
        way in (
            'snapshot', 'last_trade', 'minute_bar', 'simple_price', 'half_hours', 'minute_prices', 'none'
        )
    ),
    cadence_minutes integer not null check (cadence_minutes > 0),
    delay_seconds integer not null check (delay_seconds >= 0),
    note text not null,
    decided_at timestamptz not null,
    last_asked_at timestamptz,
    primary key (vendor, feed)
);
comment on table realtime_feed is 'How a vendor gives prices of the day under its plan, and how often that lets us ask; found out, never configured.';
comment on column realtime_feed.vendor is 'polygon or coingecko.';
comment on column realtime_feed.feed is 'latest: prices each minute. hourly: hours of the current session.';
comment on column realtime_feed.way is 'What is asked for; minute_prices: nothing, hours are built from minute prices. none: the plan gives nothing.';
comment on column realtime_feed.cadence_minutes is 'Minutes from one question to the next.';
comment on column realtime_feed.delay_seconds is 'Seconds by which the plan delays answers; 0: not delayed.';
comment on column realtime_feed.note is 'Why this way and this cadence, in words for operators.';
comment on column realtime_feed.decided_at is 'Instant of the decision; it stands until the plan or the number of assets changes.';
comment on column realtime_feed.last_asked_at is 'Instant of the newest question; null: not asked yet.';

alter table ingest_call drop constraint ingest_call_purpose_check;
alter table ingest_call
add constraint ingest_call_purpose_check
check (purpose in ('fill', 'verify', 'reference', 'proof', 'import', 'realtime'));
comment on column ingest_call.purpose is
'fill what is missing, verify what is stored, reference (company events), proof (of our adjustment), import, or realtime.';
comment on column ingest_call.inserted is 'Number of bars, prices, splits or dividends stored for the first time.';
comment on column ingest_call.changed is 'Number of bars or prices replaced, or dividends altered, because the vendor changed them.';
comment on column ingest_call.unchanged is
'Number of bars, prices, splits or dividends that were stored already, or are stored in a newer version.';
comment on column bar_hourly.source is
'Vendor that it comes from; vendor:minutes where we built it from minute prices; or import: and the name of an import.';
