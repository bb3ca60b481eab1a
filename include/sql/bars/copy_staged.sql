-- why: bars that meet stored ones wait in a temporary table for the merge.
-- params: none (binary rows follow). grain: one row a bar. writes: staged_bar_daily.
-- used by: storage.bar_writer
copy staged_bar_daily (
    asset_id, fetched_at, run_id, open, high, low, close, volume, volume_24h, vwap, trades, session, is_final, source
) from stdin (format binary)
