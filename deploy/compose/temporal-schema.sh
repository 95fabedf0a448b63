#!/bin/sh
# Temporal's tables: made at the first start, brought up to date after an upgrade. Run in the admin-tools image.
set -eu
SQL_PASSWORD=$(cat /secrets/temporal_password)
export SQL_PASSWORD
schema=/etc/temporal/schema/postgresql/v12

bring_up_to_date() { # DATABASE FOLDER
    tool="temporal-sql-tool --plugin postgres12 --ep 127.0.0.1 -p $DB_PORT -u temporal --db $1"
    # shellcheck disable=SC2086  # words on purpose
    $tool setup-schema -v 0.0 || echo "$1 has its tables already"
    # shellcheck disable=SC2086
    $tool update-schema -d "$schema/$2/versioned"
}

bring_up_to_date temporal temporal
bring_up_to_date temporal_visibility visibility
