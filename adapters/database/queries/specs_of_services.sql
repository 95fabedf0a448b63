SELECT spec FROM service WHERE id = ANY(%(services)s::text[])
