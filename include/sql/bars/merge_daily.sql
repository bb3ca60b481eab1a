-- why: store what is new, replace what the vendor changed, keep what it was, and leave alone what is the same: a row that
--      does not change is not even locked, so that sending the same bars again writes nothing.
--      A bar is outdated if the stored one, or any call stored since for that session, was answered later: a killed
--      worker's orphan may still be writing beside its retry. An unchanged bar seen after its day is over becomes final;
--      it stays known since it was first seen, by the run that saw it. An imported bar becomes the vendor's own with the
--      first answer that holds it, whenever it was imported.
-- params: first, last (sessions, inclusive), lowest, highest (asset ids, inclusive) of the staged bars; vendor, at (instant
--         of the answer).
-- grain: one row: counts of bars inserted, changed, unchanged.
-- reads: staged_bar_daily, ingest_call. reads and writes: bar_daily. writes: bar_revision.
-- used by: storage.bar_writer
with later as materialized (
    select
        asset_id,
        first,
        last
    from ingest_call
    where
        answered_at > %(at)s
        and state = 'done'
        and vendor = %(vendor)s
        and kind in ('ticker_range', 'market_day', 'coin_chart', 'coin_ohlc') -- other calls bring no bars
),

compared as materialized (
    select
        s as staged,
        b as stored,
        b.asset_id is null as is_new,
        d.is_different
    from staged_bar_daily as s
    left join bar_daily as b
        on
            s.asset_id = b.asset_id
            and s.session = b.session
            and b.asset_id between %(lowest)s and %(highest)s
            and b.session between %(first)s::date and %(last)s::date
    cross join lateral (
        select (b.open, b.high, b.low, b.close, b.volume, b.volume_24h, b.vwap, b.trades)
            is distinct from
            (s.open, s.high, s.low, s.close, s.volume, s.volume_24h, s.vwap, s.trades) as is_different
    ) as d
    where -- what stays as it is leaves here, before it costs two whole rows
        b.asset_id is null
        or (s.is_final and not b.is_final)
        or b.source <> s.source
        or d.is_different
),

judged as materialized (
    select
        c.*,
        not c.is_new
        and (
            ((c.stored).fetched_at > (c.staged).fetched_at and (c.stored).source = (c.staged).source)
            or exists (
                select from later as l
                where
                    (l.asset_id = (c.staged).asset_id or l.asset_id is null)
                    and (c.staged).session between l.first and l.last
            )
        ) as is_outdated
    from compared as c
),

revised as (
    insert into bar_revision (
        asset_id, first_seen_at, run_id, open, high, low, close, volume, volume_24h, vwap, trades, session, is_final, source,
        interval, replaced_at, replaced_by_run_id
    )
    select
        (j.stored).*, -- in the order of the table
        '1d',
        (j.staged).fetched_at,
        (j.staged).run_id
    from judged as j
    where not j.is_new and j.is_different and not j.is_outdated
),

merged as (
    insert into bar_daily (
        asset_id, fetched_at, run_id, open, high, low, close, volume, volume_24h, vwap, trades, session, is_final, source
    )
    select
        (j.staged).asset_id,
        case when j.is_new or j.is_different then (j.staged).fetched_at else (j.stored).fetched_at end,
        case when j.is_new or j.is_different then (j.staged).run_id else (j.stored).run_id end,
        (j.staged).open,
        (j.staged).high,
        (j.staged).low,
        (j.staged).close,
        (j.staged).volume,
        (j.staged).volume_24h,
        (j.staged).vwap,
        (j.staged).trades,
        (j.staged).session,
        (j.staged).is_final,
        (j.staged).source
    from judged as j
    where not j.is_outdated
    order by (j.staged).asset_id, (j.staged).session
    on conflict (asset_id, session) do update
    set
        fetched_at = excluded.fetched_at,
        run_id = excluded.run_id,
        open = excluded.open,
        high = excluded.high,
        low = excluded.low,
        close = excluded.close,
        volume = excluded.volume,
        volume_24h = excluded.volume_24h,
        vwap = excluded.vwap,
        trades = excluded.trades,
        is_final = excluded.is_final,
        source = excluded.source
)

select
    count(*) filter (where is_new) as inserted,
    count(*) filter (where not is_new and is_different and not is_outdated) as changed,
    (select count(*) from staged_bar_daily)
    - count(*) filter (where is_new or (is_different and not is_outdated)) as unchanged
from judged
