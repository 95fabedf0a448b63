-- More than there may be: the weakest go. What sessions state pushes out nothing that a person wrote; pinned ones go last.
DELETE FROM memory WHERE id IN (
    SELECT id FROM (
        SELECT id,
            row_number() OVER (PARTITION BY service ORDER BY pinned DESC, author <> '' DESC, faded(confidence, pinned, seen_at, %(at)s, %(half_life_s)s) DESC, id) AS of_service,
            row_number() OVER (ORDER BY pinned DESC, author <> '' DESC, faded(confidence, pinned, seen_at, %(at)s, %(half_life_s)s) DESC, id) AS of_all
        FROM memory WHERE forgotten_at IS NULL
    ) AS ranked
    WHERE of_service > %(per_service)s OR of_all > %(in_all)s
)
