-- why: the fastest way for many rows to the server.
-- params: none (binary rows follow). grain: one row a bar. writes: staged_import.
-- used by: storage.imports
copy staged_import (
    asset_id, open, high, low, close, volume, volume_24h, vwap, trades, session, covered_from, starts_at
) from stdin (format binary)
