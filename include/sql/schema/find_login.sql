-- why: who is connected decides what can be lost by mistake: the owner may drop all of it, a member of the app role may not.
-- params: none. grain: one row: login, is_superuser, is_owner (of the schema; true where there is none), is_app, is_reader.
-- reads: the catalog.
-- used by: storage.roles
select
    current_user::text as login,
    u.rolsuper as is_superuser,
    coalesce(pg_has_role(n.nspowner, 'usage'), true) as is_owner,
    coalesce(pg_has_role(a.oid, 'usage'), false) as is_app,
    coalesce(pg_has_role(r.oid, 'usage'), false) as is_reader
from pg_roles as u
left join pg_namespace as n on n.nspname = 'marketdata'
left join pg_roles as a on a.rolname = 'marketdata_app'
left join pg_roles as r on r.rolname = 'marketdata_reader'
where u.rolname = current_user
