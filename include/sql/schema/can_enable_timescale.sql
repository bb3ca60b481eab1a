-- why: create the extension only where the server has loaded its library: elsewhere that ends the session. The library's own
--      setting tells; shared_preload_libraries would, too, but not to an owner who is no superuser.
-- params: none. grain: one row, a boolean. reads: the catalog.
-- used by: storage.timescale
select
    exists (select from pg_available_extensions where name = 'timescaledb' and installed_version is null)
    and current_setting('timescaledb.disable_load', true) is not null
