-- why: what an import does, or would do, with the rows of a part.
-- params: none. grain: one row an asset and outcome. reads: staged_import.
-- used by: storage.imports
select
    asset_id,
    outcome,
    count(*) as bars
from staged_import
group by asset_id, outcome
order by asset_id, outcome
