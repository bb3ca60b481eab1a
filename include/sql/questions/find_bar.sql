-- why: the bar of a day as it is stored, with the run that stored it.
-- params: asset_id, day. grain: one row or none. reads: bar_daily, ingest_run.
-- used by: storage.day_facts
select
    b.open,
    b.high,
    b.low,
    b.close,
    b.volume,
    b.volume_24h,
    b.vwap,
    b.trades,
    b.source,
    b.is_final,
    b.fetched_at,
    b.run_id,
    coalesce(r.dag_id, '') as dag_id,
    coalesce(r.airflow_run_id, '') as airflow_run_id
from bar_daily as b
left join ingest_run as r on b.run_id = r.run_id
where b.asset_id = %(asset_id)s and b.session = %(day)s::date
