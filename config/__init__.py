"""Settings (from the environment only), logging, telemetry and the one Temporal `connect()`."""
