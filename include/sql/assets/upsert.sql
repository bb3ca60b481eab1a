-- why: load the universe; a symbol that is there already takes the new facts, and nothing is written if it has them.
--      What a row leaves out keeps what is known, such as a first trading day that the vendor told. A row's first day
--      is that of its ticker: it cuts off nothing of an asset that traded under an earlier one before.
-- params: symbols, asset_classes, vendor_symbols, names, listed_on, delisted_on (arrays of one length).
-- grain: one row an asset written, true if it is new. reads and writes: asset, asset_alias.
-- used by: storage.assets
with given as (
    select
        g.symbol,
        g.asset_class,
        g.vendor_symbol,
        coalesce(nullif(g.name, ''), a.name, '') as name,
        case
            when exists (
                select from asset_alias as n
                where n.asset_id = a.asset_id and upper(n.valid) <= g.listed_on
            )
                then a.listed_on
            else coalesce(g.listed_on, a.listed_on)
        end as listed_on,
        coalesce(g.delisted_on, a.delisted_on) as delisted_on
    from unnest(
        %(symbols)s::text [], %(asset_classes)s::text [], %(vendor_symbols)s::text [],
        %(names)s::text [], %(listed_on)s::date [], %(delisted_on)s::date []
    ) as g (symbol, asset_class, vendor_symbol, name, listed_on, delisted_on)
    left join asset as a on g.symbol = a.symbol
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
    returning a.asset_id, a.vendor_symbol, a.listed_on, a.xmax = 0 as is_new
),

named as (
    insert into asset_alias (asset_id, symbol, valid)
    select
        asset_id,
        vendor_symbol,
        daterange(listed_on, null)
    from written
    where is_new
),

respelled as (
    update asset_alias as n
    set symbol = w.vendor_symbol
    from written as w
    where n.asset_id = w.asset_id and not w.is_new and upper_inf(n.valid) and n.symbol <> w.vendor_symbol
)

select is_new from written
