-- why: a dividend that the vendor no longer reports counts no more.
-- params: scope (asset ids that the answer speaks for), since (date), asset_ids, vendor_ids (those it holds, arrays of one
--         length), at (instant of the answer).
-- grain: one row a dividend. reads and writes: dividend.
-- used by: storage.corporate_actions
update dividend as d
set withdrawn_at = %(at)s::timestamptz
where
    d.asset_id = any(%(scope)s::bigint [])
    and d.ex_date >= %(since)s::date
    and d.withdrawn_at is null
    and not exists (
        select
        from unnest(%(asset_ids)s::bigint [], %(vendor_ids)s::text []) as g (asset_id, vendor_id)
        where g.asset_id = d.asset_id and g.vendor_id = d.vendor_id
    )
