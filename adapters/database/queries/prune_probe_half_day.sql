DELETE FROM probe_half_day WHERE slot < %(before)s
