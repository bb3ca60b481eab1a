-- why: a market day with far fewer rows than the one before it is not complete, and proves no absence.
-- params: session. grain: one row or none. reads: ingest_call.
-- used by: storage.gaps
select received
from ingest_call
where kind = 'market_day' and state = 'done' and first < %(session)s::date
order by first desc, call_id desc
limit 1
