DELETE FROM memory
WHERE forgotten_at IS NULL AND NOT pinned
  AND faded(confidence, pinned, seen_at, %(at)s, %(half_life_s)s) < %(forget_below)s
