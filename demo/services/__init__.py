"""The demo's own services: a small web shop and its background worker, real programs on a real database."""
