-- why: a trouble that has no alert gets one; one of its key that is open already stays the only one.
-- params: alert_key, level, subjects, since, age_minutes, limit_minutes, symbols, figures, cause, next_step, told_level (null: nobody
-- is told), told_symbols, told_at, now. grain: one row: alert_id; none if one was open. writes: alert.
-- used by: storage.alerts
insert into alert (
    alert_key, level, subjects, since, age_minutes, limit_minutes, symbols, figures, cause, next_step, told_level, told_symbols,
    told_at, opened_at, changed_at
)
values (
    %(alert_key)s, %(level)s, %(subjects)s::text [], %(since)s, %(age_minutes)s, %(limit_minutes)s, %(symbols)s::text [], %(figures)s,
    %(cause)s, %(next_step)s, %(told_level)s, %(told_symbols)s::text [], %(told_at)s, %(now)s, %(now)s
)
on conflict (alert_key) where state = 'open' do nothing
returning alert_id
