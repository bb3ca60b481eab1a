-- The databases' logins, each with what it needs and no more (docs/deployment.md). For psql, run once as the superuser in
-- database marketdata, which the first start of the container does. Passwords are those of the environment.
\getenv owner_password MARKETDATA_OWNER_PASSWORD
\getenv app_password MARKETDATA_APP_PASSWORD
\getenv reader_password MARKETDATA_READER_PASSWORD
\getenv airflow_password AIRFLOW_DB_PASSWORD

-- Airflow's own metadata, beside the market data on one server.
create role airflow login password :'airflow_password';
create database airflow owner airflow;

-- Migrates, and so owns the tables. On a server of ours it needs no right but this.
create role marketdata_owner login password :'owner_password';
alter database marketdata owner to marketdata_owner;

-- What `marketdata migrate` grants to; it makes these itself where it may.
select 'create role marketdata_app nologin'
where not exists (select from pg_roles where rolname = 'marketdata_app') \gexec
select 'create role marketdata_reader nologin'
where not exists (select from pg_roles where rolname = 'marketdata_reader') \gexec

create role marketdata_flows login password :'app_password' in role marketdata_app;
create role marketdata_api login password :'reader_password' in role marketdata_reader;
alter role marketdata_api set default_transaction_read_only = on;
alter role marketdata_api set statement_timeout = '30s';
