-- why: the first load of an asset: straight into the table.
-- params: none (binary rows follow). grain: one row a bar. writes: bar_daily.
-- used by: storage.bar_writer
copy bar_daily (
    asset_id, fetched_at, run_id, open, high, low, close, volume, volume_24h, vwap, trades, session, is_final, source
) from stdin (format binary)
