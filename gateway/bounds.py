"""How much one door may ask of the gateway at once, so that no session can take it away from the others."""

import time
from collections.abc import Callable

from domain.base import Value


class DoorLimits(Value):
    """Bounds of one door. A working session stays far below all of them."""

    connections: int = 64
    requests: int = 16  # in flight at the same time
    per_s: float = 10.0  # requests over a long time; a body counts one more per MB
    burst: float = 300.0
    body_bytes: int = 64 << 20  # held at the same time
    head_s: float = 20.0  # from a request's first byte to its last header
    idle_s: float = 300.0  # a connection that says nothing
    body_s: float = 60.0
    tunnels: int = 8  # connections to the outside at the same time
    tunnel_s: float = 600.0  # the longest of them
    tunnel_idle_s: float = 60.0
    egress_sent: int = 64 << 20  # bytes to the outside, over all of them
    egress_received: int = 1 << 30


MAX_BODIES = 512 << 20  # bytes of bodies over all doors


class Memory:
    """Bytes of request bodies that the whole gateway holds."""

    def __init__(self, most: int = MAX_BODIES) -> None:
        self.most = most
        self.held = 0


class DoorBounds:
    """What one door uses of its limits now."""

    def __init__(
        self, limits: DoorLimits | None = None, memory: Memory | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.limits = limits or DoorLimits()
        self._memory = memory or Memory()
        self._now = now
        self._tokens = self.limits.burst
        self._filled_at = now()
        self._in_flight = 0
        self._connections = 0
        self._bodies = 0
        self.refused = 0

    def connect(self) -> bool:
        """One more connection, if it may be."""
        if self._connections >= self.limits.connections:
            self.refused += 1
            return False
        self._connections += 1
        return True

    def disconnect(self) -> None:
        """A connection that was let in is gone."""
        self._connections -= 1

    def begin(self) -> str:
        """One more request: "" or why not. Every begin without a reason needs an end."""
        if self._in_flight >= self.limits.requests:
            self.refused += 1
            return f"more than {self.limits.requests} requests at the same time"
        if not self.spend(1.0):
            self.refused += 1
            return "too many requests; go on more slowly"
        self._in_flight += 1
        return ""

    def end(self, body_bytes: int) -> None:
        """A request is over, and its body forgotten."""
        self._in_flight -= 1
        self._bodies -= body_bytes
        self._memory.held -= body_bytes

    def hold(self, count: int) -> bool:
        """Room for `count` more bytes of a body. They are given back by `end`."""
        if self._bodies + count > self.limits.body_bytes or self._memory.held + count > self._memory.most:
            self.refused += 1
            return False
        self._bodies += count
        self._memory.held += count
        return True

    def spend(self, tokens: float) -> bool:
        """Take from what refills with time. False where there is not enough."""
        now = self._now()
        self._tokens = min(self.limits.burst, self._tokens + (now - self._filled_at) * self.limits.per_s)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= tokens  # a large body may go below zero: the next request waits for it
        return True
