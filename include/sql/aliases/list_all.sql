-- why: the ticker histories of all stocks and ETFs, to tell whose share a ticker meant on a day.
-- params: none. grain: one row an asset and period; first null: since ever, last null: until now. reads: asset, asset_alias.
-- used by: storage.aliases
select
    n.asset_id,
    n.symbol,
    lower(n.valid) as first,
    upper(n.valid) - 1 as last,
    a.vendor_symbol,
    a.delisted_on
from asset_alias as n
inner join asset as a on n.asset_id = a.asset_id
where a.asset_class in ('stock', 'etf')
order by n.asset_id, lower(n.valid) nulls first
