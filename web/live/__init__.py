"""What keeps open pages current: one hub, one stream per tab, exact resume."""
