-- why: the tickers that an asset has had.
-- params: asset_id, symbols, firsts, lasts (arrays of one length; null bounds: open, both inclusive).
-- grain: one row a period. writes: asset_alias.
-- used by: storage.aliases
insert into asset_alias (asset_id, symbol, valid)
select
    %(asset_id)s::bigint,
    n.symbol,
    daterange(n.first, n.last, '[]')
from unnest(%(symbols)s::text [], %(firsts)s::date [], %(lasts)s::date []) as n (symbol, first, last)
