-- why: a watch compares what it sees with the alerts that are open.
-- params: none. grain: one row an open alert, by key. reads: alert.
-- used by: storage.alerts
select
    alert_id,
    alert_key,
    level,
    since,
    opened_at,
    subjects,
    symbols,
    told_level,
    told_symbols,
    told_at
from alert
where state = 'open'
order by alert_key
