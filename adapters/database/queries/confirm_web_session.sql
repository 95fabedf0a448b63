UPDATE web_session SET password_at = %(at)s WHERE id = %(id)s
