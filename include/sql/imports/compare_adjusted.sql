-- why: an old system's adjusted closes beside ours, as information: bars are stored raw, and adjusted when they are read.
--      Two closes agree within a cent's rounding and 0.1 %%.
-- params: asset_id, sessions, adjusted (arrays of one length, ascending sessions), first, last.
-- grain: one row: sessions compared, and how many agree with each of our series. reads: bar_daily_adjusted,
--        bar_daily_total_return.
-- used by: storage.imports
select
    count(*) as compared,
    count(*) filter (where abs(g.adjusted - s.close) <= 0.005 + 0.001 * s.close) as split_adjusted,
    count(*) filter (where abs(g.adjusted - t.close) <= 0.005 + 0.001 * t.close) as total_return
from unnest(%(sessions)s::date [], %(adjusted)s::double precision []) as g (session, adjusted)
inner join bar_daily_adjusted as s
    on
        s.asset_id = %(asset_id)s
        and s.session between %(first)s::date and %(last)s::date
        and g.session = s.session
inner join bar_daily_total_return as t
    on
        t.asset_id = %(asset_id)s
        and t.session between %(first)s::date and %(last)s::date
        and g.session = t.session
