-- timescale: tsl
-- why: old bars compressed by asset, since readers ask for one asset over a window. Late corrections still go through.

alter table bar_daily set (
    timescaledb.compress, timescaledb.compress_segmentby = 'asset_id', timescaledb.compress_orderby = 'session'
);
select add_compression_policy('bar_daily', compress_after => interval '2 years', if_not_exists => true);
alter table bar_hourly set (
    timescaledb.compress, timescaledb.compress_segmentby = 'asset_id', timescaledb.compress_orderby = 'starts_at'
);
select add_compression_policy('bar_hourly', compress_after => interval '3 months', if_not_exists => true);
