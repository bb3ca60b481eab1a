-- why: days that were asked for under a ticker that was not the asset's on them: their bars are another company's, their
--      absences prove nothing. The bars stay as revisions; the days are missing again, and asked for under the right ticker.
-- params: asset_id, days (datemultirange), at (instant), run_id.
-- grain: one row: how many bars were taken back. reads and writes: bar_daily, coverage, absence, bar_digest. writes: bar_revision.
-- used by: storage.aliases
with taken_back as (
    delete from bar_daily
    where asset_id = %(asset_id)s and session <@ %(days)s::datemultirange
    returning *
),

kept as (
    insert into bar_revision (
        asset_id, first_seen_at, run_id, open, high, low, close, volume, volume_24h, vwap, trades, session, is_final, source,
        interval, replaced_at, replaced_by_run_id
    )
    select
        *, -- in the order of the table
        '1d',
        greatest(%(at)s::timestamptz, fetched_at),
        %(run_id)s::bigint
    from taken_back
),

disproved as (
    delete from absence
    where asset_id = %(asset_id)s and interval = '1d' and session <@ %(days)s::datemultirange
),

uncovered as (
    update coverage
    set
        verified = verified - %(days)s::datemultirange,
        provisional = provisional - %(days)s::datemultirange,
        updated_at = %(at)s::timestamptz
    where
        asset_id = %(asset_id)s
        and interval = '1d'
        and (verified && %(days)s::datemultirange or provisional && %(days)s::datemultirange)
),

forgotten as (
    delete from bar_digest
    where
        asset_id = %(asset_id)s
        and interval = '1d'
        and datemultirange(daterange(make_date(year, 1, 1), make_date(year, 12, 31), '[]')) && %(days)s::datemultirange
)

select count(*) from taken_back
