-- why: series that a chart can show. Bars stay raw; a split or a dividend changes these views from its day on, at once,
--      and nothing is downloaded or rewritten.
-- grain: one row a bar, a step of an asset's cumulative factor.
-- Ask for one asset by asset_id, or by asset_id = (select asset_id from asset where symbol = ..): that condition and one on
-- session reach the primary key of bar_daily, and factors are made for that asset alone. A join on asset makes them for all.

create function market_date() returns date
language sql stable parallel safe
return (
    coalesce(nullif(current_setting('marketdata.now', true), '')::timestamptz, now()) at time zone 'America/New_York'
)::date;
comment on function market_date() is 'New York date of now, or of the setting marketdata.now where a replay froze the clock.';

create aggregate product(double precision) (sfunc = float8mul, stype = double precision, initcond = '1', parallel = safe);
comment on aggregate product(double precision) is 'Product of all values; 1 for none.';

create view dividend_step as
select
    d.asset_id,
    d.vendor_id,
    d.ex_date,
    d.cash_amount,
    p.session as session_before,
    p.close as close_before,
    1 - d.cash_amount / p.close as factor
from dividend as d
cross join lateral (
    select
        b.session,
        b.close
    from bar_daily as b
    where b.asset_id = d.asset_id and b.session < d.ex_date and b.session >= d.ex_date - 10
    order by b.session desc
    limit 1
) as p
where
    d.currency = 'USD'
    and d.withdrawn_at is null
    and d.ex_date <= market_date()
    and d.cash_amount < p.close;
comment on view dividend_step is 'Dividends that count in total-return series: in US dollars, past their ex-date, with a close before it.';
comment on column dividend_step.asset_id is 'The asset.';
comment on column dividend_step.vendor_id is 'Key of the dividend.';
comment on column dividend_step.ex_date is 'First session at which a buyer no longer gets it.';
comment on column dividend_step.cash_amount is 'US dollars a share.';
comment on column dividend_step.session_before is 'Newest stored session before it, at most 10 days.';
comment on column dividend_step.close_before is 'Its close in US dollars, raw.';
comment on column dividend_step.factor is 'What prices before it are multiplied with: 1 - cash_amount / close_before.';

create view split_factor as
select
    s.asset_id,
    coalesce(lag(s.executed_on) over (partition by s.asset_id order by s.executed_on), '-infinity') as first,
    s.executed_on as until,
    product(s.split_from) over later / product(s.split_to) over later as factor
from split as s
where s.state = 'applied' and s.executed_on <= market_date()
window later as (partition by s.asset_id order by s.executed_on desc);
comment on view split_factor is 'Cumulative factors of the applied splits, one row for the sessions between two of them; after the last one it is 1.';
comment on column split_factor.asset_id is 'The asset.';
comment on column split_factor.first is 'First session that it is for, inclusive.';
comment on column split_factor.until is 'Session that it ends before: the day of a split.';
comment on column split_factor.factor is 'What a raw price is multiplied with, and a volume divided by.';

create view total_return_factor as
with step as (
    select
        asset_id,
        executed_on as day,
        split_from,
        split_to,
        1::double precision as kept
    from split
    where state = 'applied' and executed_on <= market_date()
    union all
    select
        asset_id,
        ex_date as day,
        1::double precision as split_from,
        1::double precision as split_to,
        factor as kept
    from dividend_step
),

daily as (
    select
        asset_id,
        day,
        product(split_from) as split_from,
        product(split_to) as split_to,
        product(kept) as kept
    from step
    group by asset_id, day
)

select
    asset_id,
    coalesce(lag(day) over (partition by asset_id order by day), '-infinity') as first,
    day as until,
    product(split_from) over later / product(split_to) over later as share_factor,
    product(split_from) over later / product(split_to) over later * product(kept) over later as factor
from daily
window later as (partition by asset_id order by day desc);
comment on view total_return_factor is 'Cumulative factors of applied splits and counted dividends, one row for the sessions between two of them.';
comment on column total_return_factor.asset_id is 'The asset.';
comment on column total_return_factor.first is 'First session that it is for, inclusive.';
comment on column total_return_factor.until is 'Session that it ends before: the day of a split or dividend.';
comment on column total_return_factor.share_factor is 'What a volume is divided by: splits alone.';
comment on column total_return_factor.factor is 'What a raw price is multiplied with.';

create view bar_daily_adjusted as
select
    b.asset_id,
    b.session,
    b.open * coalesce(f.factor, 1) as open,
    b.high * coalesce(f.factor, 1) as high,
    b.low * coalesce(f.factor, 1) as low,
    b.close * coalesce(f.factor, 1) as close,
    b.volume / coalesce(f.factor, 1) as volume,
    b.volume_24h,
    b.vwap * coalesce(f.factor, 1) as vwap,
    b.trades,
    b.is_final,
    b.open is not null as is_candle,
    coalesce(f.factor, 1) as factor
from bar_daily as b
left join split_factor as f on b.asset_id = f.asset_id and b.session >= f.first and b.session < f.until;
comment on view bar_daily_adjusted is 'Daily bars adjusted for splits: the default of charts. Made from raw bars when it is read.';
comment on column bar_daily_adjusted.asset_id is 'The asset.';
comment on column bar_daily_adjusted.session is 'New York date of a stock, UTC date of a coin.';
comment on column bar_daily_adjusted.open is 'First price in US dollars, on today''s share count; null: the source gives closes only.';
comment on column bar_daily_adjusted.high is 'Highest price in US dollars, on today''s share count; null as open.';
comment on column bar_daily_adjusted.low is 'Lowest price in US dollars, on today''s share count; null as open.';
comment on column bar_daily_adjusted.close is 'Last price in US dollars, on today''s share count.';
comment on column bar_daily_adjusted.volume is 'Traded shares on today''s share count; null: not given.';
comment on column bar_daily_adjusted.volume_24h is 'US dollars traded in the 24 hours before the close (crypto); a rolling figure, never to be summed.';
comment on column bar_daily_adjusted.vwap is 'Volume-weighted average price in US dollars, on today''s share count; null: not given.';
comment on column bar_daily_adjusted.trades is 'Number of trades; null: not given.';
comment on column bar_daily_adjusted.is_final is 'Whether it was seen after its day was over.';
comment on column bar_daily_adjusted.is_candle is 'Whether it has open, high and low; a bar with a close only is never shown as a candle.';
comment on column bar_daily_adjusted.factor is 'What the raw prices were multiplied with, and the volume divided by.';

create view bar_daily_total_return as
select
    b.asset_id,
    b.session,
    b.open * coalesce(f.factor, 1) as open,
    b.high * coalesce(f.factor, 1) as high,
    b.low * coalesce(f.factor, 1) as low,
    b.close * coalesce(f.factor, 1) as close,
    b.volume / coalesce(f.share_factor, 1) as volume,
    b.volume_24h,
    b.vwap * coalesce(f.factor, 1) as vwap,
    b.trades,
    b.is_final,
    b.open is not null as is_candle,
    coalesce(f.factor, 1) as factor
from bar_daily as b
left join total_return_factor as f on b.asset_id = f.asset_id and b.session >= f.first and b.session < f.until;
comment on view bar_daily_total_return is 'Daily bars adjusted for splits and cash dividends. Made from raw bars when it is read.';
comment on column bar_daily_total_return.asset_id is 'The asset.';
comment on column bar_daily_total_return.session is 'New York date of a stock, UTC date of a coin.';
comment on column bar_daily_total_return.open is 'First price in US dollars, with splits and dividends worked in; null: the source gives closes only.';
comment on column bar_daily_total_return.high is 'Highest price in US dollars, with splits and dividends worked in; null as open.';
comment on column bar_daily_total_return.low is 'Lowest price in US dollars, with splits and dividends worked in; null as open.';
comment on column bar_daily_total_return.close is 'Last price in US dollars, with splits and dividends worked in.';
comment on column bar_daily_total_return.volume is 'Traded shares on today''s share count; dividends do not change it; null: not given.';
comment on column bar_daily_total_return.volume_24h is 'US dollars traded in the 24 hours before the close (crypto); a rolling figure, never to be summed.';
comment on column bar_daily_total_return.vwap is 'Volume-weighted average price in US dollars, with splits and dividends worked in; null: not given.';
comment on column bar_daily_total_return.trades is 'Number of trades; null: not given.';
comment on column bar_daily_total_return.is_final is 'Whether it was seen after its day was over.';
comment on column bar_daily_total_return.is_candle is 'Whether it has open, high and low; a bar with a close only is never shown as a candle.';
comment on column bar_daily_total_return.factor is 'What the raw prices were multiplied with; the volume knows splits only.';
