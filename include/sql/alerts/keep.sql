-- why: an open alert follows what the newest watch saw of it; told_level null leaves what was told as it is.
-- params: alert_id, level, subjects, since, age_minutes, limit_minutes, symbols, figures, cause, next_step, told_level, told_symbols,
-- told_at, now. grain: one row. writes: alert.
-- used by: storage.alerts
update alert
set
    level = %(level)s,
    subjects = %(subjects)s::text [],
    since = %(since)s,
    age_minutes = %(age_minutes)s,
    limit_minutes = %(limit_minutes)s,
    symbols = %(symbols)s::text [],
    figures = %(figures)s,
    cause = %(cause)s,
    next_step = %(next_step)s,
    told_level = coalesce(%(told_level)s, told_level),
    told_symbols = array(
        select distinct s.symbol from unnest(told_symbols || %(told_symbols)s::text []) as s (symbol)
        order by s.symbol
    ),
    told_at = coalesce(%(told_at)s, told_at),
    changed_at = %(now)s
where alert_id = %(alert_id)s and state = 'open'
