SELECT key, at, kind, tier, text, detail
FROM (
    SELECT * FROM timeline WHERE incident = %(incident)s ORDER BY at DESC, key DESC LIMIT %(limit)s
) AS newest
ORDER BY at, key
