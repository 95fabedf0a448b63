-- From a pin on it keeps what it is worth now; from its end on it fades from there.
UPDATE memory SET
    pinned = %(pinned)s, confidence = faded(confidence, pinned, seen_at, %(at)s, %(half_life_s)s), seen_at = %(at)s
WHERE id = %(id)s AND pinned <> %(pinned)s AND forgotten_at IS NULL
