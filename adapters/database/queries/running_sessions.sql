SELECT DISTINCT id FROM session WHERE status = 'running'
