-- timescale: apache
-- why: bars in chunks by time, so that a window reads few of them. Daily bars a year a chunk: in chunks of 7 days they
-- are 8 times larger once compressed.

select create_hypertable(
    'bar_daily', by_range('session', interval '365 days'),
    create_default_indexes => false, migrate_data => true, if_not_exists => true
);
select create_hypertable(
    'bar_hourly', by_range('starts_at', interval '30 days'),
    create_default_indexes => false, migrate_data => true, if_not_exists => true
);
