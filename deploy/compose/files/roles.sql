-- Roles and database of a first start. The passwords come from files; nothing of this is logged.
\set ON_ERROR_STOP on
\set owner_password `cat /run/governlayer/postgres/database-owner-password`
\set app_password `cat /run/governlayer/postgres/database-app-password`
CREATE ROLE governlayer_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION
    PASSWORD :'owner_password';
CREATE ROLE governlayer_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION
    PASSWORD :'app_password';
CREATE DATABASE governlayer OWNER governlayer_owner;
REVOKE ALL ON DATABASE governlayer, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE governlayer TO governlayer_app;
\connect governlayer
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO governlayer_app;
