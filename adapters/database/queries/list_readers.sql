SELECT name, role FROM person WHERE disabled_at IS NULL ORDER BY name
