"""State and order of events. Deterministic: no clock, no I/O, no randomness but Temporal's own."""
