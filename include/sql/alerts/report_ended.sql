-- why: a silence that ends in silence is forgotten: its end is reported once, unless another one of its pattern goes on.
-- params: now. grain: one row an ended silence; is_renewed: another one of its pattern goes on. writes: alert_silence.
-- used by: storage.alerts
update alert_silence as s
set reported_at = %(now)s
where s.reported_at is null and s.until <= %(now)s
returning
    s.pattern,
    s.until,
    s.reason,
    s.who,
    exists (select from alert_silence as n where n.pattern = s.pattern and n.until > %(now)s) as is_renewed
