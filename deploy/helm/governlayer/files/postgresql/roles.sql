-- Once, when the data directory is made. A statement that fails is not logged: it holds a password.
SET log_min_error_statement TO panic;
\set owner_password `cat /run/governlayer/secrets/database-owner-password`
\set app_password `cat /run/governlayer/secrets/database-app-password`
CREATE ROLE governlayer_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'owner_password';
CREATE ROLE governlayer_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD :'app_password';
CREATE DATABASE governlayer OWNER governlayer_owner;
REVOKE ALL ON DATABASE governlayer, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE governlayer TO governlayer_app;
\connect governlayer
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO governlayer_app;
GRANT ALL ON SCHEMA public TO governlayer_owner;
