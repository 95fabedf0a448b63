#!/bin/bash
# Roles and databases, at the first start of an empty data folder: the record and Temporal are strangers to each other.
# Run by the Postgres image's own entry point (and by offline_postgres.sh).
set -eu
psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username postgres --dbname postgres \
    -v tiercel_password="$(cat /secrets/tiercel_password)" -v temporal_password="$(cat /secrets/temporal_password)" <<'SQL'
CREATE ROLE tiercel LOGIN PASSWORD :'tiercel_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE tiercel OWNER tiercel;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE tiercel, temporal, temporal_visibility FROM PUBLIC;
SQL
