"""What the looking tools share: what is declared, and the ways to look at it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from adapters.actions.unit_client import UnitClient
from adapters.probes.addresses import Addresses, BlockedAddressError, UnresolvedError
from domain.inventory import Inventory, Service
from domain.ports import Clock
from gateway.docker_window import DockerWindow
from policy.addresses import Way, declared_places, judge_way, plain_host

Redact = Callable[[str], str]


@dataclass(frozen=True)
class Sight:
    """The same for all sessions. `environ` holds the passwords of reading roles: no tool shows it."""

    clock: Clock
    redact: Redact
    window: DockerWindow | None = None
    units: UnitClient = field(default_factory=lambda: UnitClient({}))
    addresses: Addresses = field(default_factory=Addresses)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    repos_dir: Path = Path("/repos")
    root: Path = Path("/")

    async def way(self, inventory: Inventory, host: str, port: int) -> Way:
        """Where a connection to a declared place goes. The name is resolved here, once; only the answer is used."""
        name = plain_host(host)
        declared = declared_places(inventory)
        if (name, port) not in declared:
            known = ", ".join(sorted(f"{h}:{p}" for h, p in declared)[:20]) or "none"
            return Way(reason=f"{host[:80]}:{port} is not declared by a probe of the inventory. Declared are: {known}")
        try:
            found = await self.addresses.resolve(name)
        except (BlockedAddressError, UnresolvedError) as e:
            return Way(reason=str(e))
        return judge_way(name, port, found, declared)


class NotHereError(Exception):
    """The tool cannot look at that. The message is for the session and says what it can do instead."""


def service_of(inventory: Inventory, spelling: str) -> Service:
    """The one service that is meant. Raises NotHereError."""
    service = inventory.resolve(spelling)
    if service is None:
        raise NotHereError(
            f"No service, or more than one, is called {spelling[:80]!r}. Ask for `services` and use an id from there."
        )
    return service
