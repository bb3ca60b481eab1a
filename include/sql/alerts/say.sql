-- why: a message is written in the transaction of the change that it tells of, so that neither is without the other.
-- params: alert_id (null: of a silence), alert_key, kind, level, title, body, now. grain: one row. writes: alert_message.
-- used by: storage.alerts
insert into alert_message (alert_id, alert_key, kind, level, title, body, created_at)
values (%(alert_id)s, %(alert_key)s, %(kind)s, %(level)s, %(title)s, %(body)s, %(now)s)
