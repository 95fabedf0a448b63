UPDATE session SET status = 'stopped', message = %(message)s, ended_at = %(at)s
WHERE id = %(id)s AND attempt = %(attempt)s AND status = 'running'
