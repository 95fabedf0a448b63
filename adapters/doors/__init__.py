"""The gateway's admin socket, seen from the worker: opens and closes the doors of sessions."""

from adapters.doors.client import GatewayDoors

__all__ = ["GatewayDoors"]
