"""Which function runs which kind, and what a missed time limit means for it."""

from collections.abc import Awaitable, Callable
from typing import Any

from adapters.probes import (
    command_probe,
    container_probe,
    dns_probe,
    http_probe,
    postgres_probe,
    redis_probe,
    tcp_probe,
    tls_probe,
    unit_probe,
)
from adapters.probes.outcome import Outcome, error, fail
from adapters.probes.tools import Tools

Run = Callable[[Any, Tools], Awaitable[Outcome]]

RUNS: dict[str, Run] = {
    "http": http_probe.run,
    "tcp": tcp_probe.run,
    "dns": dns_probe.run,
    "tls": tls_probe.run,
    "container": container_probe.run,
    "unit": unit_probe.run,
    "postgres": postgres_probe.run,
    "redis": redis_probe.run,
    "command": command_probe.run,
}

# These ask somebody about the service; when that somebody is silent, nothing is known of the service itself.
_ASKS_ANOTHER = frozenset({"container", "unit"})

# How many of a kind may run at once, where each costs more than a socket.
WIDTH: dict[str, int] = {"command": 8, "container": 16, "postgres": 64}


def timed_out(kind: str, limit_s: float) -> Outcome:
    """What it means that a probe of this kind did not end in time."""
    words = f"no answer within {limit_s:g} s"
    return error(words) if kind in _ASKS_ANOTHER else fail(words)
