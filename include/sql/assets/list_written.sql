-- why: a worker that dies between a commit and dropping the charts leaves them in the cache; who goes on with its calls drops
--      them, rather too many than too few: a call for many assets stands for all of its vendor, and reference data may have
--      renamed or judged without a call that brought anything.
-- params: run_id, batch (null: all). grain: one row an asset. reads: asset, ingest_call.
-- used by: storage.assets
select distinct a.symbol
from ingest_call as c
inner join asset as a
    on
        c.asset_id = a.asset_id
        or (c.asset_id is null and c.vendor = case a.asset_class when 'crypto' then 'coingecko' else 'polygon' end)
where
    c.run_id = %(run_id)s
    and c.batch = coalesce(%(batch)s, c.batch)
    and c.state = 'done'
    and (c.inserted + c.changed > 0 or c.purpose = 'reference')
order by a.symbol
