"""Ports for servers that are started again: all different, free, and never one that a client may be given."""

import socket
from pathlib import Path

from config.ports import free_ports


def test_ports_are_different_free_and_below_the_range_of_outgoing_connections() -> None:
    above = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found = free_ports(50)
    assert len(set(found)) == 50
    assert all(10_000 <= port < above for port in found)
    for port in found:
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))
