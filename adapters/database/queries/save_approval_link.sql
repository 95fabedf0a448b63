INSERT INTO approval_link (id, token_sha256, approval, digest, person, purpose, channel, created_at, expires_at)
VALUES (%(id)s, %(token_sha256)s, %(approval)s, %(digest)s, %(person)s, %(purpose)s, %(channel)s, %(created_at)s, %(expires_at)s)
