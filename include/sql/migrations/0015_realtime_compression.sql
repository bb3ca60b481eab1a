-- timescale: tsl
-- why: minute prices older than two weeks compressed by asset. A coin whose price stands still since then still gets its row
-- written: that goes through.

alter table price_minute set (
    timescaledb.compress, timescaledb.compress_segmentby = 'asset_id', timescaledb.compress_orderby = 'at'
);
select add_compression_policy('price_minute', compress_after => interval '14 days', if_not_exists => true);
