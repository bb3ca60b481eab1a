-- why: sessions that an answer covers are no longer failing; the last one closes the failure.
-- params: vendor, asset_ids, is_market (the answer speaks for the whole market), answered (datemultirange), at.
-- grain: one row a failure touched. reads and writes: fetch_failure.
-- used by: storage.bar_writer
update fetch_failure
set
    sessions = sessions - %(answered)s::datemultirange,
    resolved_at = case when isempty(sessions - %(answered)s::datemultirange) then %(at)s::timestamptz end
where
    resolved_at is null
    and vendor = %(vendor)s
    and interval = '1d'
    and (asset_id = any(%(asset_ids)s::bigint []) or (asset_id is null and %(is_market)s))
    and sessions && %(answered)s::datemultirange
