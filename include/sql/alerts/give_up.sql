-- why: a message that nobody takes for days is of no use any more; it stays on record with its error.
-- params: now, created_before, most_attempts. grain: one row a message given up: alert_key, title, last_error. writes: alert_message.
-- used by: storage.outbox
update alert_message
set given_up_at = %(now)s
where
    delivered_at is null
    and given_up_at is null
    and (claimed_until is null or claimed_until <= %(now)s)
    and (created_at < %(created_before)s or attempts >= %(most_attempts)s)
returning alert_key, title, last_error
