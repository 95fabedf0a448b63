DELETE FROM cost_slot WHERE slot < %(before)s
