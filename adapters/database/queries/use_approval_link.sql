UPDATE approval_link SET used_at = %(at)s, used_how = %(how)s WHERE id = %(id)s AND used_at IS NULL
