-- why: the series of some assets as it was known at an instant.
-- params: asset_ids, first, last (sessions, inclusive), known_at (instant).
-- grain: one row a bar, by asset and session. reads: bar_daily_as_of (bar_daily, bar_revision).
-- used by: storage.known_bars
select
    a.asset_id,
    k.session,
    k.open,
    k.high,
    k.low,
    k.close,
    k.volume,
    k.volume_24h,
    k.vwap,
    k.trades,
    k.is_final,
    k.source,
    k.run_id,
    k.known_since,
    k.known_until
from unnest(%(asset_ids)s::bigint []) as a (asset_id)
cross join lateral bar_daily_as_of(a.asset_id, %(first)s::date, %(last)s::date, %(known_at)s::timestamptz) as k
order by a.asset_id, k.session
