SELECT current_setting('server_version'), pg_database_size(current_database()), (SELECT max(version) FROM schema_version)
