-- why: what an operator's logins are members of must be there before anything can be granted to it.
-- params: none. grain: one row a role that is not there: the statement that makes it. reads: the catalog.
-- used by: storage.roles
select format('create role %I nologin', needed.name) as made_by
from (values ('marketdata_app'), ('marketdata_reader')) as needed (name)
left join pg_roles as r on needed.name = r.rolname
where r.rolname is null
order by needed.name
