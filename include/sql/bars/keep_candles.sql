-- why: a coin's candles and closes come from two endpoints, and not every plan has both. A close without a candle, which
--      differs from the candle's in the last digits, does not replace it; a bar without a volume does not take it away.
-- params: asset_id, first, last (sessions of the staged bars, inclusive).
-- grain: one row a staged bar completed. reads: bar_daily. reads and writes: staged_bar_daily.
-- used by: storage.bar_writer
update staged_bar_daily as s
set
    open = coalesce(s.open, b.open),
    high = coalesce(s.high, b.high),
    low = coalesce(s.low, b.low),
    close = case when s.open is null and b.open is not null then b.close else s.close end,
    volume_24h = coalesce(s.volume_24h, b.volume_24h)
from bar_daily as b
where
    s.asset_id = b.asset_id
    and s.session = b.session
    and b.asset_id = %(asset_id)s::bigint
    and b.session between %(first)s::date and %(last)s::date
    and (
        (s.open is null and b.open is not null)
        or (s.volume_24h is null and b.volume_24h is not null)
    )
