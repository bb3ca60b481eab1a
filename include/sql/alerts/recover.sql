-- why: what a watch does not see any more is over.
-- params: alert_id, now. grain: one row. writes: alert.
-- used by: storage.alerts
update alert
set state = 'recovered', recovered_at = %(now)s, changed_at = %(now)s
where alert_id = %(alert_id)s and state = 'open'
