UPDATE service SET present = false WHERE present AND NOT id = ANY(%(ids)s::text[])
