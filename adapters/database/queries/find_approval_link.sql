SELECT id, approval, digest, person, purpose, channel, created_at, expires_at, used_at, used_how
FROM approval_link WHERE token_sha256 = %(token_sha256)s
