"""What a session may see of the engine: declared containers only, masked, redacted and bounded.

Both the door's Docker API and the container tools look through this.
"""

import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, cast

from domain.errors import TransientError
from domain.inventory import Inventory
from gateway.docker_engine import DockerEngine, EngineSaysNoError
from gateway.docker_logs import LogLines
from policy.docker_read import DockerRead, upstream_path
from policy.docker_view import (
    is_visible,
    own_secrets,
    shown_container,
    shown_event,
    shown_image,
    shown_listed,
    shown_processes,
    visible_names,
    wanted,
)
from policy.redaction import redactor

Redact = Callable[[str], str]
Json = dict[str, Any]

LOG_BYTES = 1 << 20
LOG_READ = 64 << 20  # bytes that are read of the engine at most, to find the newest
LOG_S = 10.0
EVENT_BYTES = 1 << 20
EVENTS_S = 15.0
STATS_S = 8.0
MAX_REMEMBERED = 300  # characters
MAX_REDACTORS = 64  # containers with secrets of their own, each with what it remembers
_SCOPE_S = 3.0  # how long an inventory counts as read just now


def remembering(redact: Redact, most: int = 4096) -> Redact:
    """The same, faster for the short texts that states are made of: they repeat from read to read."""
    known = lru_cache(maxsize=most)(redact)
    return lambda text: known(text) if len(text) <= MAX_REMEMBERED else redact(text)


class NotVisibleError(EngineSaysNoError):
    """No such container, or none that a session may see: the words are the same, so that nothing is told apart."""

    def __init__(self, name: str) -> None:
        super().__init__(404, f"No such container: {name} (only containers that the inventory declares are shown)")


class DockerWindow:
    """Every method raises EngineAwayError or EngineSaysNoError."""

    def __init__(
        self,
        engine: DockerEngine,
        inventory: Callable[[], Awaitable[Inventory]],
        redact: Redact,
        secrets: tuple[str, ...] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = engine
        self._inventory = inventory
        self._redact = remembering(redact)
        self._own: dict[tuple[str, ...], Redact] = {}
        self._secrets = secrets
        self._monotonic = monotonic
        self._declared: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    async def declared(self) -> frozenset[str]:
        """Names that may be seen. While the record is away the newest that was read counts on."""
        if self._monotonic() - self._read_at > _SCOPE_S:
            try:
                self._declared = visible_names(await self._inventory())
                self._read_at = self._monotonic()
            except TransientError:
                return self._declared
        return self._declared

    async def version(self, read: DockerRead) -> Json:
        """The engine's versions."""
        return cast("Json", await self.engine.json(upstream_path(read)))

    async def listed(self, read: DockerRead) -> list[Json]:
        """The visible containers that the client asked for, newest first."""
        seen = [shown_listed(r, self._redact) for r in await self._visible(read.version)]
        everything = read.flag("all") or "status" in read.filters or int(read.query.get("limit") or -1) > 0
        chosen = [r for r in seen if (everything or r.get("State") == "running") and wanted(r, read.filters)]
        limit = int(read.query.get("limit") or -1)
        return chosen[:limit] if limit > 0 else chosen

    async def images(self, read: DockerRead) -> list[Json]:
        """The images of the visible containers."""
        used = {str(r.get("ImageID")) for r in await self._visible(read.version)}
        rows: list[Json] = await self.engine.json(upstream_path(read))
        return [shown_image(r) for r in rows if r.get("Id") in used]

    async def processes(self, read: DockerRead) -> Json:
        """What runs in one container."""
        found = await self._raw(read)
        rows: Json = await self.engine.json(upstream_path(read, str(found["Id"])), 1 << 20, STATS_S)
        return shown_processes(rows, self._redactor_of(found))

    async def inspected(self, read: DockerRead) -> Json:
        """One container, masked."""
        found = await self._raw(read)
        return shown_container(found, self._redactor_of(found))

    async def stats(self, read: DockerRead) -> Json:
        """One sample of one container."""
        found = await self._raw(read)
        return cast("Json", await self.engine.json(upstream_path(read, str(found["Id"])), 1 << 18, STATS_S))

    async def logs(self, read: DockerRead) -> tuple[LogLines, bool]:
        """Redacted lines, and whether the container has a terminal (its stream has no frames then).

        Values of the container's own secret variables are removed from its lines, too.
        """
        found = await self._raw(read)
        tty = bool(_config(found).get("Tty"))
        lines = LogLines(self._redactor_of(found), tty=tty, stamped=read.flag("timestamps"), limit=LOG_BYTES)
        left = LOG_READ
        async with self.engine.stream(upstream_path(read, str(found["Id"])), LOG_S) as answer:
            async for part in answer.content.iter_any():
                lines.feed(part)
                left -= len(part)
                if left < 0:
                    break
        return lines, tty

    async def events(self, read: DockerRead, now: int, take: Callable[[Json], Awaitable[None]]) -> int:
        """Give every visible event to `take`; returns how many bytes of events were read."""
        declared = await self.declared()
        size, open_line = 0, b""
        async with self.engine.stream(upstream_path(read, now=now), EVENTS_S) as answer:
            async for part in answer.content.iter_any():
                *lines, open_line = (open_line + part).split(b"\n")
                for line in lines:
                    event = shown_event(line, declared, read.filters, self._redact)
                    if event is not None:
                        await take(event)
                size += len(part)
                if size > EVENT_BYTES:
                    break
        return size

    async def name_of(self, read: DockerRead) -> str:
        """The container's own name, for the audit."""
        return str((await self._raw(read)).get("Name", "")).lstrip("/")

    def _redactor_of(self, found: Json) -> Redact:
        own = own_secrets(found)
        if own and own not in self._own:
            if len(self._own) >= MAX_REDACTORS:
                self._own.clear()
            self._own[own] = remembering(redactor((*self._secrets, *own)), 500)
        return self._own[own] if own else self._redact

    async def _visible(self, version: str) -> list[Json]:
        declared = await self.declared()
        rows: list[Json] = await self.engine.json(upstream_path(DockerRead(kind="list", version=version)))
        return [r for r in rows if is_visible(r.get("Names") or (), r.get("Labels"), declared)]

    async def _raw(self, read: DockerRead) -> Json:
        declared = await self.declared()
        try:
            found: Json = await self.engine.json(f"{read.version}/containers/{read.container}/json")
        except EngineSaysNoError as e:
            raise NotVisibleError(read.container) from e
        if not is_visible([str(found.get("Name", ""))], _config(found).get("Labels"), declared):
            raise NotVisibleError(read.container)
        return found


def _config(found: Json) -> Json:
    config = found.get("Config")
    return cast("Json", config) if isinstance(config, dict) else {}
