-- why: what there is to import, so that it can be cut into parts of whole series.
-- params: none (CSV follows). grain: one row a symbol. reads: asset_data of the legacy database.
-- used by: storage.legacy
copy (
    select
        d.symbol,
        count(*) filter (where d.timestamp is null) as daily,
        count(d.timestamp) as hourly,
        min(d.date) as first,
        max(d.date) as last
    from asset_data as d
    group by d.symbol
    order by d.symbol
) to stdout (format csv)
