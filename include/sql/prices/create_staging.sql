-- why: where the prices of an answer wait for the merges; emptied by each commit, gone with the session.
-- params: none. grain: none. writes: staged_price.
-- used by: storage.prices
create temporary table if not exists staged_price (
    asset_id bigint not null,
    at timestamptz not null,
    price double precision not null,
    volume double precision,
    volume_24h double precision
) on commit delete rows
