-- why: as for daily bars: a vendor's bar stays, one of an import before is the same or changed.
-- params: none. grain: one row a staged row with a stored bar. reads: bar_hourly. reads and writes: staged_import.
-- used by: storage.imports
with reach as materialized (
    select
        asset_id,
        min(starts_at) as first,
        max(starts_at) as last
    from staged_import
    group by asset_id
),

stored as materialized (
    select near.*
    from reach as r
    cross join lateral (
        select b.*
        from bar_hourly as b
        where b.asset_id = r.asset_id and b.starts_at between r.first and r.last
        order by b.starts_at
        offset 0 -- keeps it one index scan an asset, whatever the statistics
    ) as near
)

update staged_import as s
set
    outcome = case
        when starts_with(b.source, 'import:')
            then case
                when
                    (b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades)
                    is distinct from
                    (s.open, s.high, s.low, s.close, s.volume, s.vwap, s.trades)
                    then 'changed'
                else 'unchanged'
            end
        when
            b.close <> s.close or b.open <> s.open or b.high <> s.high or b.low <> s.low or b.volume <> s.volume
            or b.vwap <> s.vwap or b.trades <> s.trades
            then 'conflicting'
        else 'held'
    end,
    stored_close = b.close,
    stored_source = b.source
from stored as b
where s.asset_id = b.asset_id and s.starts_at = b.starts_at
