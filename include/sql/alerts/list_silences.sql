-- why: what is silenced is not told; operators see what is silenced, until when, why and by whom.
-- params: now. grain: one row a silence that has not ended, by end. reads: alert_silence.
-- used by: storage.alerts
select
    silence_id,
    pattern,
    until,
    reason,
    who,
    created_at
from alert_silence
where until > %(now)s
order by until, silence_id
