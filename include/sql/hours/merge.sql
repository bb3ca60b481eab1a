-- why: store what is new, replace what changed, and leave alone what is the same. An hour that we built from minute prices never
--      replaces one that a vendor or an import gave, and gives way to it whenever it was built; of the same rank the newer
--      one counts. What a vendor's answer does not change stays known since it was first seen; so an answer is outdated, too,
--      where a call made later for the asset is done.
--      A running hour changes with each answer: what it was is kept only if it was final, when nobody expected a change.
-- params: at (instant of the answer, or of building); first, last (no hour starts outside of them: they spare other chunks).
-- grain: one row: counts of hours inserted, changed, unchanged.
-- reads: staged_bar_hourly, ingest_call. reads and writes: bar_hourly. writes: bar_revision.
-- used by: storage.hourly_bars
with later as materialized (
    select
        asset_id,
        vendor
    from ingest_call
    where answered_at > %(at)s::timestamptz and state = 'done' and kind = 'half_hours'
),

compared as materialized (
    select
        s as staged,
        b as stored,
        b.asset_id is null as is_new,
        (b.open, b.high, b.low, b.close, b.volume, b.vwap, b.trades)
        is distinct from
        (s.open, s.high, s.low, s.close, s.volume, s.vwap, s.trades) as is_different,
        b.source like '%%:minutes' as was_built,
        s.source like '%%:minutes' as is_built
    from staged_bar_hourly as s
    left join lateral (
        select h.*
        from bar_hourly as h
        where
            h.asset_id = s.asset_id
            and h.starts_at = s.starts_at
            and h.starts_at between %(first)s::timestamptz and %(last)s::timestamptz
        offset 0 -- keeps it one index look-up an hour, whatever the statistics
    ) as b on true
),

judged as materialized (
    select
        c.*,
        not c.is_new
        and case
            when c.is_built <> c.was_built then c.is_built
            when starts_with((c.stored).source, 'import:') then false
            when (c.stored).fetched_at > (c.staged).fetched_at then true
            else not c.is_built and exists (
                select from later as l
                where l.asset_id = (c.staged).asset_id and l.vendor = (c.staged).source
            )
        end as is_outdated
    from compared as c
),

revised as (
    insert into bar_revision (
        asset_id, starts_at, first_seen_at, run_id, open, high, low, close, volume, vwap, trades, is_final, source,
        interval, replaced_at, replaced_by_run_id
    )
    select
        (j.stored).*, -- in the order of the table
        '1h',
        (j.staged).fetched_at,
        (j.staged).run_id
    from judged as j
    where not j.is_new and j.is_different and not j.is_outdated and (j.stored).is_final
),

merged as (
    insert into bar_hourly (
        asset_id, starts_at, fetched_at, run_id, open, high, low, close, volume, vwap, trades, is_final, source
    )
    select
        (j.staged).asset_id,
        (j.staged).starts_at,
        case when j.is_new or j.is_different then (j.staged).fetched_at else (j.stored).fetched_at end,
        case when j.is_new or j.is_different then (j.staged).run_id else (j.stored).run_id end,
        (j.staged).open,
        (j.staged).high,
        (j.staged).low,
        (j.staged).close,
        (j.staged).volume,
        (j.staged).vwap,
        (j.staged).trades,
        (j.staged).is_final,
        (j.staged).source
    from judged as j
    where
        not j.is_outdated
        and (
            j.is_new or j.is_different or (j.stored).source <> (j.staged).source
            or ((j.staged).is_final and not (j.stored).is_final)
        )
    order by (j.staged).asset_id, (j.staged).starts_at
    on conflict (asset_id, starts_at) do update
    set
        fetched_at = excluded.fetched_at,
        run_id = excluded.run_id,
        open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        volume = excluded.volume,
        vwap = excluded.vwap,
        trades = excluded.trades,
        is_final = excluded.is_final,
        source = excluded.source
)

select
    count(*) filter (where is_new) as inserted,
    count(*) filter (where not is_new and is_different and not is_outdated) as changed,
    count(*) filter (where not is_new and (is_outdated or not is_different)) as unchanged
from judged
