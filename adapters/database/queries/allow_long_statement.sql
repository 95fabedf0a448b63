SELECT set_config('statement_timeout', '10min', true)
