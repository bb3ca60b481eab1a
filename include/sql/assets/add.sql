-- why: one asset more to follow, or again to follow; what is known of one that is there stays as it is.
-- params: symbol, asset_class, vendor_symbol, name, listed_on.
-- grain: one row if anything changed, true if the asset is new. reads and writes: asset, asset_alias.
-- used by: storage.followed_assets
with written as (
    insert into asset as a (symbol, asset_class, vendor_symbol, name, listed_on)
    values (
        %(symbol)s, %(asset_class)s, %(vendor_symbol)s, %(name)s, %(listed_on)s
    )
    on conflict (symbol) do update set inactive_since = null, gone_on = null
    where a.inactive_since is not null
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
)

select is_new from written
