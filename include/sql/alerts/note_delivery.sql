-- why: who has a message keeps it from being sent there again; who has it not is tried again by the next watch.
-- params: message_id, delivered_to, error (null: all have it), now. grain: one row. writes: alert_message.
-- used by: storage.outbox
update alert_message
set
    delivered_to = %(delivered_to)s::text [],
    last_error = %(error)s,
    delivered_at = case when %(error)s::text is null then %(now)s::timestamptz end,
    claimed_until = null
where message_id = %(message_id)s
