-- why: a conflict is shown with both values.
-- params: at_most. grain: one row a conflicting bar, oldest first. reads: staged_import.
-- used by: storage.imports
select
    asset_id,
    session,
    starts_at,
    close,
    stored_close,
    stored_source
from staged_import
where outcome = 'conflicting'
order by asset_id, session, starts_at
limit %(at_most)s
