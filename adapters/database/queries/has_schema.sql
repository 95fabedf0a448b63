SELECT to_regclass('schema_version')
