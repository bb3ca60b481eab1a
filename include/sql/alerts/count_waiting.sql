-- why: messages that nobody takes must show somewhere else than in messages.
-- params: none. grain: one row: waiting, since, last_error of the oldest. reads: alert_message.
-- used by: storage.outbox
select
    count(*) as waiting,
    min(created_at) as since,
    (array_agg(last_error order by message_id))[1] as last_error
from alert_message
where delivered_at is null and given_up_at is null
