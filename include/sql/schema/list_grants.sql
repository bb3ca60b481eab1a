-- why: the app role may do to each table what the statements of the flows do, and nothing else: it cannot delete a revision, a
--      refused record or a failure, and cannot change the schema. The reader role reads. A test compares this list with them.
-- params: none. grain: one row a statement, in the order in which to run them; none for a role or table that is not there.
-- reads: the catalog.
-- used by: storage.roles
with role (name) as (
    select rolname
    from pg_roles
    where rolname in ('marketdata_app', 'marketdata_reader')
),

written (name, privileges) as (
    values
    ('absence', 'insert, delete'),
    ('alert', 'insert, update'),
    ('alert_message', 'insert, update'),
    ('alert_silence', 'insert, update'),
    ('asset', 'insert, update'),
    ('asset_alias', 'insert, update, delete'),
    ('bar_daily', 'insert, update, delete'),
    ('bar_digest', 'insert, update, delete'),
    ('bar_hourly', 'insert, update'),
    ('bar_revision', 'insert'),
    ('coverage', 'insert, update'),
    ('dividend', 'insert, update'),
    ('entitlement', 'insert, update'),
    ('fetch_failure', 'insert, update'),
    ('import_part', 'insert'),
    ('ingest_call', 'insert, update, delete'),
    ('ingest_run', 'insert, update'),
    ('latest_price', 'insert, update'),
    ('market_overview', 'insert, update, delete'),
    ('price_minute', 'insert, update'),
    ('quarantine', 'insert'),
    ('realtime_feed', 'insert, update'),
    ('reference_progress', 'insert, update'),
    ('split', 'insert, update'),
    ('trading_session', 'insert, update, delete'),
    ('watchlist', 'insert, delete'),
    ('watchlist_member', 'insert, delete')
),

needed (step, name, command) as (
    select
        1,
        r.name,
        format('revoke all on all tables in schema marketdata from %I', r.name)
    from role as r
    union all
    select
        2,
        r.name,
        format('grant usage on schema marketdata to %I', r.name)
    from role as r
    union all
    select
        3,
        r.name,
        format('grant select on all tables in schema marketdata to %I', r.name)
    from role as r
    union all
    select
        4,
        r.name,
        format('grant %s on marketdata.%I to %I', w.privileges, w.name, r.name)
    from role as r
    inner join written as w on to_regclass(format('marketdata.%I', w.name)) is not null
    where r.name = 'marketdata_app'
)

select command
from needed
order by step, name, command
