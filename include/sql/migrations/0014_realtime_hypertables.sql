-- timescale: apache
-- why: minute prices in chunks of a week, as bars are in chunks by time: readers ask for one day, and a day's prices of all
-- assets fit in memory.

select create_hypertable(
    'price_minute', by_range('at', interval '7 days'),
    create_default_indexes => false, migrate_data => true, if_not_exists => true
);
