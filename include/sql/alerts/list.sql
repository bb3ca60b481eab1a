-- why: operators see what is wrong and what was, with cause and next step.
-- params: opened_after. grain: one row an alert that is open or was opened after that instant, open ones first, newest first.
-- reads: alert, alert_message.
-- used by: storage.alerts
select
    a.alert_id,
    a.alert_key,
    a.level,
    a.state,
    a.subjects,
    a.since,
    a.age_minutes,
    a.symbols,
    a.figures,
    a.cause,
    a.next_step,
    a.told_at,
    a.opened_at,
    a.changed_at,
    a.recovered_at,
    (
        select count(*) from alert_message as m
        where m.alert_id = a.alert_id and m.delivered_at is null and m.given_up_at is null
    ) as waiting
from alert as a
where a.state = 'open' or a.opened_at > %(opened_after)s
order by (a.state = 'open') desc, a.opened_at desc, a.alert_id desc
