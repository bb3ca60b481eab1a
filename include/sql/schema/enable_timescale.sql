-- why: hypertables and compression where the server offers them.
-- params: none. grain: none. writes: the extension.
-- used by: storage.timescale
create extension if not exists timescaledb schema public
