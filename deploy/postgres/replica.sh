#!/usr/bin/env bash
# Follows a primary: copies it into an empty folder, with a slot of its own, then serves reads as a hot standby.
# PRIMARY is the primary's host; PRIMARY_PORT, REPLICATION_PASSWORD_FILE and SLOT have defaults. Promote: pg_ctl promote
set -euo pipefail

data="${PGDATA:-/var/lib/postgresql/data}"
export PGPASSWORD
PGPASSWORD="$(cat "${REPLICATION_PASSWORD_FILE:-/run/secrets/replication}")"
if [ ! -s "$data/PG_VERSION" ]; then
    slot="${SLOT:-replica_1}"
    pg_basebackup --host "$PRIMARY" --port "${PRIMARY_PORT:-5432}" --username creditlink_replication --pgdata "$data" \
        --wal-method stream --checkpoint fast --create-slot --slot "$slot" --write-recovery-conf
fi
chmod 0700 "$data"
exec postgres -D "$data" -c hot_standby=on "$@"
