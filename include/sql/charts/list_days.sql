-- why: the daily bars of one asset as a chart shows them: raw, or adjusted as the views bar_daily_adjusted and
--      bar_daily_total_return do it, with what they leave out: when and from whom we have the raw bar.
-- params: asset_id, first, last (sessions, inclusive), adjusted (none, splits or total-return), most (rows at most: the
--         newest are kept).
-- grain: one row a bar, newest first. reads: bar_daily, adjustment_factor (split, dividend).
-- used by: storage.charts
select
    b.session,
    b.open * coalesce(f.price_factor, 1) as open,
    b.high * coalesce(f.price_factor, 1) as high,
    b.low * coalesce(f.price_factor, 1) as low,
    b.close * coalesce(f.price_factor, 1) as close,
    b.volume / coalesce(f.share_factor, 1) as volume,
    b.fetched_at,
    b.source,
    b.is_final
from bar_daily as b
left join adjustment_factor as f
    on b.asset_id = f.asset_id and b.session >= f.first and b.session < f.until and f.adjusted = %(adjusted)s::text
where b.asset_id = %(asset_id)s::bigint and b.session between %(first)s::date and %(last)s::date
order by b.session desc
limit %(most)s
