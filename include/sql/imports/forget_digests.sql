-- why: a digest speaks for what is stored: whoever writes bars into a year deletes it, in the same transaction.
-- params: none. grain: one row an asset and year that an import wrote into. reads: staged_import. writes: bar_digest.
-- used by: storage.imports
delete from bar_digest as d
using (
    select distinct
        asset_id,
        extract(year from session)::integer as year
    from staged_import
    where outcome in ('inserted', 'changed')
) as w
where d.asset_id = w.asset_id and d.year = w.year and d.interval = '1d'
