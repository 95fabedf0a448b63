SELECT EXISTS (SELECT 1 FROM memory_source WHERE memory = %(memory)s AND incident = %(incident)s)
