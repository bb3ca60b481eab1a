-- why: somebody knows of a trouble and does not want to hear of it until a day.
-- params: pattern, until, reason, who, now. grain: one row: silence_id. writes: alert_silence.
-- used by: storage.alerts
insert into alert_silence (pattern, until, reason, who, created_at)
values (%(pattern)s, %(until)s, %(reason)s, %(who)s, %(now)s)
returning silence_id
