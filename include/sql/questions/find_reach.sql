-- why: how far back the plan goes, as it was last found out; older knowledge is found out anew.
-- params: vendor, today, probe_days. grain: one row or none. reads: entitlement.
-- used by: storage.day_facts
select
    earliest + (%(today)s::date - learnt_on) as earliest,
    learnt_on,
    learnt_on + %(probe_days)s::integer as probed_anew_on,
    key_digest,
    note
from entitlement
where
    vendor = %(vendor)s
    and capability = 'daily_history'
    and earliest is not null
    and %(today)s::date - learnt_on < %(probe_days)s::integer
order by learnt_on desc
limit 1
