-- The logins of an installation, run once by a superuser in the empty database, before the first `creditlink db upgrade`:
--   psql -v ON_ERROR_STOP=1 -v owner="…" -v app="…" -v replication="…" -f roles.sql creditlink
-- creditlink_owner owns the database and runs migrations, commands and workers; it is no superuser.
-- creditlink_app serves requests: it is in creditlink_api and no more, so that row-level security binds it.

CREATE ROLE creditlink_api NOLOGIN;
CREATE ROLE creditlink_worker NOLOGIN;
CREATE ROLE creditlink_owner LOGIN PASSWORD :'owner' NOSUPERUSER NOCREATEROLE NOBYPASSRLS;
CREATE ROLE creditlink_app LOGIN PASSWORD :'app' NOSUPERUSER NOCREATEROLE NOBYPASSRLS IN ROLE creditlink_api;
CREATE ROLE creditlink_replication LOGIN REPLICATION PASSWORD :'replication';
-- The first migration grants both roles to whoever runs it.
GRANT creditlink_api, creditlink_worker TO creditlink_owner WITH ADMIN OPTION;

SELECT format('ALTER DATABASE %I OWNER TO creditlink_owner', current_database()) \gexec
ALTER SCHEMA public OWNER TO creditlink_owner;
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()) \gexec
SELECT format('GRANT CONNECT ON DATABASE %I TO creditlink_app, creditlink_worker', current_database()) \gexec
