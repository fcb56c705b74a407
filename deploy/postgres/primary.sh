#!/usr/bin/env bash
# Run once by the image of PostgreSQL, in an empty cluster: roles, and who may replicate.
set -euo pipefail

psql -v ON_ERROR_STOP=1 --username postgres --dbname "$POSTGRES_DB" \
    -v owner="$(cat /run/secrets/owner)" -v app="$(cat /run/secrets/app)" \
    -v replication="$(cat /run/secrets/replication)" -f /etc/creditlink/roles.sql
echo "host replication creditlink_replication all scram-sha-256" >>"$PGDATA/pg_hba.conf"
