-- why: where hours wait for the merge; emptied by each commit, gone with the session.
-- params: none. grain: none. writes: staged_bar_hourly.
-- used by: storage.hourly_bars
create temporary table if not exists staged_bar_hourly (like bar_hourly) on commit delete rows
