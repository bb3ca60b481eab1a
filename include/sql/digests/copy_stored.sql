-- why: stored bars as the bytes that digests are made of; figures that are not given as NaN and -1, so that all rows have
--      one length.
-- params: asset_id, first, last (sessions, inclusive). grain: one row a final bar, ascending. reads: bar_daily.
-- used by: storage.digests
copy (
    select
        session,
        coalesce(open, 'NaN') as open,
        coalesce(high, 'NaN') as high,
        coalesce(low, 'NaN') as low,
        close,
        coalesce(volume, 'NaN') as volume,
        coalesce(volume_24h, 'NaN') as volume_24h,
        coalesce(vwap, 'NaN') as vwap,
        coalesce(trades, -1) as trades
    from bar_daily
    where asset_id = %(asset_id)s and session between %(first)s and %(last)s and is_final
    order by session
) to stdout (format binary)
