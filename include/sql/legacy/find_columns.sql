-- why: an old system's table is what it should be, or the import says what is wrong with it before it reads a row.
-- params: table (a name, found by the search path). grain: one row a column. reads: the catalogs of the legacy database.
-- used by: storage.legacy
select
    attname as name,
    format_type(atttypid, null) as type
from pg_attribute
where attrelid = to_regclass(%(table)s) and attnum > 0 and not attisdropped
order by attnum
