"""A tiny service manager with real services under it: a node for Tiercel where nothing is installed."""

from demo.host.handle import HostHandle, remove_host, start_host

__all__ = ["HostHandle", "remove_host", "start_host"]
