"""A gateway that looks, and one call of a tool as a session makes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.probes.addresses import Addresses
from config.clock import SystemClock
from domain.health import ProbeSpec
from domain.ids import service_id
from domain.inventory import Inventory, Service, ServiceKind
from domain.looking import Need
from domain.ports import Door
from gateway.docker_window import DockerWindow
from gateway.looking.sight import Sight
from gateway.observer import Observer
from policy.redaction import redactor
from tests.support import gateway

SECRET = "sk-ant-a-known-secret-of-the-gateway"


class Names(Addresses):
    """A name server of the test's own: each name with the answers that it gives in turn, the last for ever."""

    def __init__(self, **names: list[list[str]]) -> None:
        super().__init__(threads=1)
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked: list[str] = []

    async def _lookup(self, host: str, family: int) -> list[str]:
        if host not in self.names:
            return await super()._lookup(host, family)
        self.asked.append(host)
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def declaring(*probes: ProbeSpec, **more: Any) -> Service:
    """The service local/shop with these probes."""
    base: dict[str, Any] = {
        "id": service_id("local", "shop"), "name": "shop", "kind": ServiceKind.EXTERNAL, "probes": probes,
    }  # fmt: skip
    return Service(**(base | more))


@asynccontextmanager
async def looking_room(home: Path, *services: Service, **changes: Any) -> AsyncIterator[gateway.Room]:
    """`changes` are fields of `Sight`."""
    records = gateway.RememberingRecords(inventory=Inventory(services=services))
    redact = redactor((SECRET,))
    window: DockerWindow | None = changes.get("window")
    fields: dict[str, Any] = {"clock": SystemClock(), "redact": redact}
    sight = Sight(**(fields | changes))
    observer = Observer(records, gateway.OneProbe(), gateway.OneLog())
    async with gateway.room(
        home, records=records, observer=observer, window=window, sight=sight, redact=redact, present=lambda: frozenset(Need)
    ) as room:  # fmt: skip
        room.records = records
        yield room
    sight.addresses.close()


async def use(
    room: gateway.Room, tool: str, arguments: Any, tier: int = 2, door: Door | None = None
) -> tuple[bool, str]:
    """Whether it went wrong, and what the tool said."""
    opened = door or await room.open(tier=tier)
    message = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments},
    }  # fmt: skip
    async with gateway.through(opened) as client, client.post("/mcp", json=message) as reply:
        result = (await reply.json())["result"]
    return result["isError"], result["content"][0]["text"]


def looks(room: gateway.Room) -> list[tuple[str, str, str]]:
    """The audit's entries on looking: action, tool, target."""
    return [(a, str(d.get("tool")), t) for a, t, d in room.records.audits.values() if a.startswith("look")]
