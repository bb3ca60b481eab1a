-- why: without an index that begins with the symbol, each part of an import reads the whole table.
-- params: table (a name, found by the search path). grain: one row an index that begins with it.
-- reads: the catalogs of the legacy database.
-- used by: storage.legacy
select i.indexrelid::regclass::text as name
from pg_index as i
inner join pg_attribute as a on i.indrelid = a.attrelid and i.indkey[0] = a.attnum
where i.indrelid = to_regclass(%(table)s) and a.attname = 'symbol' and i.indpred is null
