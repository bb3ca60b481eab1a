-- why: an alert is told once however many watches see it, reaches its receiver even if that was down, and is followed by
--      a recovery; what nobody wants to hear is silenced until a day, for a reason.
-- grain: one row an alert from its opening to its recovery; one row a message; one row a silence.

create table alert (
    alert_id bigint generated always as identity primary key,
    alert_key text not null,
    level text not null check (level in ('warn', 'error')),
    state text not null default 'open' check (state in ('open', 'recovered')),
    subjects text [] not null default '{}',
    since timestamptz not null,
    age_minutes double precision,
    limit_minutes double precision,
    symbols text [] not null default '{}',
    figures text not null default '',
    cause text not null default '',
    next_step text not null default '',
    told_level text check (told_level in ('warn', 'error')),
    told_symbols text [] not null default '{}',
    told_at timestamptz,
    opened_at timestamptz not null,
    changed_at timestamptz not null,
    recovered_at timestamptz,
    check ((state = 'recovered') = (recovered_at is not null)),
    check (num_nulls(told_level, told_at) in (0, 2))
);
comment on table alert is 'What was found wrong, from the watch that first saw it to the one that did not any more.';
comment on column alert.alert_id is 'Identity of the alert.';
comment on column alert.alert_key is 'Kind, which is the runbook''s name, and vendor or DAG, for example feed_stale:polygon; one of a key is open at most.';
comment on column alert.level is 'warn or error: the worst that was seen of it.';
comment on column alert.state is 'open or recovered.';
comment on column alert.subjects is 'What is stale: latest, hourly, daily, quiet; empty where it is not about age.';
comment on column alert.since is 'Instant since which it is so.';
comment on column alert.age_minutes is 'Age in minutes of trading time when last seen; null: not about age.';
comment on column alert.limit_minutes is 'Age in minutes of trading time from which it counts; null: not about age.';
comment on column alert.symbols is 'House symbols of the assets concerned when last seen.';
comment on column alert.figures is 'What else there is to know, in words, such as credits used of the month; empty: nothing.';
comment on column alert.cause is 'Likely cause, from runs and calls.';
comment on column alert.next_step is 'What an operator can do.';
comment on column alert.told_level is 'Level that was put into a message; null: nobody was told, because it is silenced.';
comment on column alert.told_symbols is 'House symbols that were put into messages so far.';
comment on column alert.told_at is 'Instant of its newest message; null as told_level.';
comment on column alert.opened_at is 'Instant of the watch that first saw it.';
comment on column alert.changed_at is 'Instant of the watch that last saw it, or saw it gone.';
comment on column alert.recovered_at is 'Instant of the watch that saw it gone; null: open.';
create unique index alert_open on alert (alert_key) where state = 'open';
create index alert_opened on alert (opened_at);

create table alert_message (
    message_id bigint generated always as identity primary key,
    alert_id bigint references alert,
    alert_key text not null,
    kind text not null check (kind in ('opened', 'worsened', 'recovered', 'reminder', 'silence_ended')),
    level text not null check (level in ('warn', 'error')),
    title text not null,
    body text not null,
    created_at timestamptz not null,
    attempts integer not null default 0,
    claimed_until timestamptz,
    delivered_to text [] not null default '{}',
    delivered_at timestamptz,
    given_up_at timestamptz,
    last_error text,
    check (num_nonnulls(delivered_at, given_up_at) < 2)
);
comment on table alert_message is 'What is to be delivered: written with the change that it tells of, kept until the receivers have it.';
comment on column alert_message.message_id is 'Identity of the message; of one alert they are delivered in this order.';
comment on column alert_message.alert_id is 'Alert that it tells of; null: of a silence.';
comment on column alert_message.alert_key is 'Key of that alert, or pattern of the silence.';
comment on column alert_message.kind is 'opened, worsened, recovered, reminder, or silence_ended.';
comment on column alert_message.level is 'warn or error, of the alert when it was written.';
comment on column alert_message.title is 'One line.';
comment on column alert_message.body is 'Lines of plain text, without control characters; never a key.';
comment on column alert_message.created_at is 'Instant of the watch that wrote it.';
comment on column alert_message.attempts is 'Number of times that delivery was begun.';
comment on column alert_message.claimed_until is 'Instant until which the one that delivers it has it to himself; null: nobody ever had.';
comment on column alert_message.delivered_to is 'Receivers that have it.';
comment on column alert_message.delivered_at is 'Instant at which the last receiver had it; null: not all have it.';
comment on column alert_message.given_up_at is 'Instant at which it was given up, too old or tried too often; null: it was not.';
comment on column alert_message.last_error is 'Why the last attempt failed; null: none did.';
create index alert_message_waiting on alert_message (message_id) where delivered_at is null and given_up_at is null;
create index alert_message_alert on alert_message (alert_id);

create table alert_silence (
    silence_id bigint generated always as identity primary key,
    pattern text not null check (pattern <> ''),
    until timestamptz not null,
    reason text not null check (reason <> ''),
    who text not null check (who <> ''),
    created_at timestamptz not null,
    reported_at timestamptz,
    check (until >= created_at)
);
comment on table alert_silence is 'Alerts that are kept and not delivered, until when, why, and who said so.';
comment on column alert_silence.silence_id is 'Identity of the silence.';
comment on column alert_silence.pattern is 'Key of an alert, or the beginning of keys followed by *.';
comment on column alert_silence.until is 'Instant at which it ends.';
comment on column alert_silence.reason is 'Why, in the words of who made it.';
comment on column alert_silence.who is 'Who made it.';
comment on column alert_silence.created_at is 'Instant at which it was made.';
comment on column alert_silence.reported_at is 'Instant at which a watch reported its end; null: not yet.';
create index alert_silence_unreported on alert_silence (until) where reported_at is null;

create index ingest_run_newest on ingest_run (dag_id, run_id);
