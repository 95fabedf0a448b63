UPDATE api_key SET revoked_at = %(at)s WHERE id = %(id)s AND revoked_at IS NULL
