-- why: of two watches that deliver at once only one has a message; one that was killed with it loses it after a while.
-- params: now, until (claimed until), tried (message_ids that this watch has tried). grain: one row, the message tried least, of one
-- alert in their order; none if nothing waits. reads and writes: alert_message.
-- used by: storage.outbox
update alert_message
set attempts = attempts + 1, claimed_until = %(until)s
where message_id = (
    select m.message_id
    from alert_message as m
    where
        m.delivered_at is null
        and m.given_up_at is null
        and (m.claimed_until is null or m.claimed_until <= %(now)s)
        and m.message_id <> all(%(tried)s::bigint [])
        and not exists (
            select from alert_message as e
            where
                e.alert_id = m.alert_id
                and e.message_id < m.message_id
                and e.delivered_at is null
                and e.given_up_at is null
        )
    order by m.attempts, m.message_id
    limit 1
    for update skip locked
)
returning message_id, alert_key, kind, level, title, body, delivered_to
