-- why: which years of an answer are not known to be as they are stored: their digests differ, or there is none.
-- params: asset_id, years, digests (arrays of one length). grain: one row a year, ascending. reads: bar_digest.
-- used by: storage.digests
select given.year
from unnest(%(years)s::integer [], %(digests)s::text []) as given (year, digest)
left join bar_digest as stored
    on stored.asset_id = %(asset_id)s and stored.interval = '1d' and given.year = stored.year
where stored.digest is distinct from given.digest
order by given.year
