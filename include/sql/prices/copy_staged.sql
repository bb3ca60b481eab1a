-- why: the fastest way for many rows to the server.
-- params: none (binary rows follow). grain: one row an asset. writes: staged_price.
-- used by: storage.prices
copy staged_price (asset_id, at, price, volume, volume_24h) from stdin (format binary)
