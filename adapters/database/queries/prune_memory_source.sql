DELETE FROM memory_source WHERE at < %(before)s
