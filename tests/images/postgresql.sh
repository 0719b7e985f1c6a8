#!/bin/sh
# What the official image's docker-entrypoint.sh does with the settings that compose.yaml gives it.

set -eu

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # shellcheck disable=SC2086
    initdb --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" --encoding=UTF8 ${POSTGRES_INITDB_ARGS:-}
    echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -j postgres
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
