SELECT version, name, sha256 FROM schema_version ORDER BY version
