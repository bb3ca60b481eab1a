-- why: our adjusted series around a split, to be compared with the vendor's.
-- params: asset_id, first, last (sessions, inclusive). grain: one row a final bar. reads: bar_daily_adjusted.
-- used by: storage.split_proofs
select
    session,
    open,
    high,
    low,
    close,
    volume
from bar_daily_adjusted
where asset_id = %(asset_id)s and session between %(first)s::date and %(last)s::date and is_final
order by session
