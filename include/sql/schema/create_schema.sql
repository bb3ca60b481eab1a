-- why: all of ours lives in one schema, beside whatever else the database holds.
-- params: none. grain: none. writes: the schema.
-- used by: storage.migrations
create schema if not exists marketdata
