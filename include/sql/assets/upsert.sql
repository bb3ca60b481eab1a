-- why: load the universe; a symbol that is there already takes the new facts, and nothing is written if it has them.
-- params: symbols, asset_classes, vendor_symbols, names, listed_on, delisted_on (arrays of one length).
-- grain: one row an asset written, true if it is new. reads and writes: asset, asset_alias.
-- used by: storage.assets
with given as (
    select g.*
    from unnest(
        %(symbols)s::text [], %(asset_classes)s::text [], %(vendor_symbols)s::text [],
        %(names)s::text [], %(listed_on)s::date [], %(delisted_on)s::date []
    ) as g (symbol, asset_class, vendor_symbol, name, listed_on, delisted_on)
),

written as (
    insert into asset as a (symbol, asset_class, vendor_symbol, name, listed_on, delisted_on)
    select
        symbol,
        asset_class,
        vendor_symbol,
        name,
        listed_on,
        delisted_on
    from given
    order by symbol
    on conflict (symbol) do update
    set
        asset_class = excluded.asset_class,
        vendor_symbol = excluded.vendor_symbol,
        name = excluded.name,
        listed_on = excluded.listed_on,
        delisted_on = excluded.delisted_on,
        inactive_since = null
    where (a.asset_class, a.vendor_symbol, a.name, a.listed_on, a.delisted_on, a.inactive_since)
    is distinct from
    (excluded.asset_class, excluded.vendor_symbol, excluded.name, excluded.listed_on, excluded.delisted_on, null)
    returning a.asset_id, a.symbol, a.listed_on, a.xmax = 0 as is_new
),

named as (
    insert into asset_alias (asset_id, symbol, valid)
    select
        asset_id,
        symbol,
        daterange(listed_on, null)
    from written
    where is_new
)

select is_new from written
