-- why: parts that are stored are not stored again.
-- params: digest. grain: one row a part. reads: import_part.
-- used by: storage.imports
select part
from import_part
where digest = %(digest)s
