-- why: the reason for a silence is gone before its day: it ends now, and that needs no report.
-- params: silence_id, now. grain: one row: pattern; none if there is no such silence or it has ended. writes: alert_silence.
-- used by: storage.alerts
update alert_silence
set until = greatest(%(now)s, created_at), reported_at = %(now)s
where silence_id = %(silence_id)s and until > %(now)s
returning pattern
