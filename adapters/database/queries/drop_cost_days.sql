DELETE FROM cost_day
