DELETE FROM probe_slot WHERE slot < %(before)s
