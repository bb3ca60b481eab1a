-- why: what is stored of an asset in a year, computed from the rows under the writers' lock.
-- params: asset_id, years, bars, firsts, lasts, digests (arrays of one length), at (instant).
-- grain: one row a year. writes: bar_digest.
-- used by: storage.digests
insert into bar_digest as d (asset_id, interval, year, bars, first, last, digest, computed_at)
select
    %(asset_id)s::bigint,
    '1d',
    g.year,
    g.bars,
    g.first,
    g.last,
    g.digest,
    %(at)s::timestamptz
from unnest(
    %(years)s::integer [], %(bars)s::integer [], %(firsts)s::date [], %(lasts)s::date [], %(digests)s::text []
) as g (year, bars, first, last, digest)
on conflict (asset_id, interval, year) do update
set
    bars = excluded.bars,
    first = excluded.first,
    last = excluded.last,
    digest = excluded.digest,
    computed_at = excluded.computed_at
where d.digest <> excluded.digest
