UPDATE cost_zone SET zone = %(zone)s
