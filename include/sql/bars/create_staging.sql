-- why: where bars wait for the merge; emptied by each commit, gone with the session.
-- params: none. grain: none. writes: staged_bar_daily.
-- used by: storage.bar_writer
create temporary table if not exists staged_bar_daily (like bar_daily) on commit delete rows
