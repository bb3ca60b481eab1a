-- why: the rows of some series, the fastest way out of a server. Texts and shortest decimals, so that nothing is rounded.
-- params: symbols, is_hourly (CSV follows). grain: one row a bar. reads: asset_data of the legacy database.
-- used by: storage.legacy
copy (
    select
        d.symbol,
        d.date,
        d.timestamp,
        d.open,
        d.high,
        d.low,
        d.close,
        d.volume,
        d.adjusted_close
    from asset_data as d
    where d.symbol = any(%(symbols)s::text []) and (d.timestamp is not null) = %(is_hourly)s
    order by d.symbol, d.date, d.timestamp
) to stdout (format csv, header)
