"""The only door out of a session: model proxy, action broker, gate hook and telemetry, one Unix socket per session."""
