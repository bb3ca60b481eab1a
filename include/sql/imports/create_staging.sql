-- why: where the rows of an import wait to be judged; emptied by each commit, gone with the session. What becomes of a row is
--      first "inserted", until a stored bar says otherwise.
-- params: none. grain: none. writes: staged_import.
-- used by: storage.imports
create temporary table if not exists staged_import (
    asset_id bigint not null,
    session date not null,
    covered_from date not null,
    starts_at timestamptz,
    open double precision,
    high double precision,
    low double precision,
    close double precision not null,
    volume double precision,
    volume_24h double precision,
    vwap double precision,
    trades bigint,
    outcome text not null default 'inserted',
    stored_close double precision,
    stored_source text
) on commit delete rows
