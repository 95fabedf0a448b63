"""What probes need from outside, gathered in one value so that each kind takes the same two arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from adapters.probes.addresses import Addresses, is_blocked
from adapters.probes.outcome import Outcome, error
from domain.action import TargetState
from domain.ids import LOCAL_NODE
from domain.ports import Clock


class UnitLook(Protocol):
    """Asks a node's service manager. Raises TransientError where it cannot be asked."""

    async def look(self, node: str, unit: str) -> TargetState | None:
        """None where the manager knows no such unit."""
        ...


class ContainerLook(Protocol):
    """Asks a node's container engine. Raises TransientError where it cannot be asked."""

    async def inspect(self, node: str, container: str) -> dict[str, Any] | None:
        """The engine's own JSON, or None where there is no such container."""
        ...


@dataclass(frozen=True)
class Tools:
    """Shared by all probes of one runner."""

    clock: Clock
    monotonic: Callable[[], float]
    addresses: Addresses
    http: Callable[[], aiohttp.ClientSession]
    environ: Mapping[str, str]
    node: str = LOCAL_NODE  # of the service that is probed
    commands_dir: Path | None = None
    units: UnitLook | None = None
    containers: ContainerLook | None = None


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def password_for(variable: str, host: str, environ: Mapping[str, str]) -> str | Outcome:
    """The password that a probe may send to `host`, or why it may not.

    A repository names the variable and the host; the owner says in `<variable>_HOST` where it may go. Otherwise a
    hostile manifest could have any probe password sent to a server of its own.
    """
    if not variable:
        return ""
    if not variable.startswith("TIERCEL_PROBE_"):
        return error(f"password_env {variable} must begin with TIERCEL_PROBE_; rename the variable")
    value = environ.get(variable, "")
    if not value:
        return error(f"{variable} is not set; set it where Tiercel runs, or remove password_env")
    allowed = {h.strip() for h in environ.get(f"{variable}_HOST", "").split(",") if h.strip()}
    if host not in allowed and not (host in LOOPBACK and not allowed):
        return error(f"{variable} may not be sent to {host}; set {variable}_HOST={host} where Tiercel runs to allow it")
    return value


def refuse_literal(host: str) -> Outcome | None:
    """An error where `host` is a numeric address that no probe may reach."""
    if is_blocked(host.strip("[]")):
        return error(f"{host} is a link-local or metadata address, which no probe may reach; remove this probe")
    return None
