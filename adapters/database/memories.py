"""Memories: stated by sessions, written by people, bounded, fading. Each change writes its audit entry with it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.rows import class_row

from adapters.database.paging import cursor_of, page, position
from adapters.database.pool import Connection, Pool, execute, first, query, tell
from adapters.database.records import Page
from adapters.database.text import jsonb
from domain.errors import FatalError
from domain.ids import IncidentId, MemoryId, SessionId, memory_id
from domain.memory import Learned, Memory, MemoryCategory, MemoryRule
from policy.memories import confidence_at, same, strengthened

TOPIC = "memory"
SOURCES = 20  # newest, of one memory


@dataclass(frozen=True, slots=True)
class MemoryFilter:
    """Which memories. `service` None means all, "" those of none; `least` is the confidence at the time of asking."""

    service: str | None = None
    category: str = ""
    text: str = ""  # in lower case
    least: float | None = None
    pinned: bool = False
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class MemorySource:
    """A session that stated a memory."""

    session: str
    incident: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Writer:
    """Who changes a memory: an audit's kind of actor, and the name."""

    kind: str
    name: str


class NoRoomError(FatalError):
    """There are as many memories as there may be, and none of them is weaker."""


class MemoryStore:
    """Implements domain.ports.MemoryRecords, and what people do with memories."""

    def __init__(self, pool: Pool, rule: MemoryRule) -> None:
        self._pool = pool
        self._rule = rule

    # ------------------------------------------------------------ sessions

    async def learn(
        self, session: SessionId, incident: IncidentId, stated: Sequence[Learned], refused: Sequence[str], at: datetime
    ) -> int:
        """Keep what a session stated. Repeating is harmless. Returns how many are new or surer than before."""

        async def work(conn: Connection) -> int:
            await execute(conn, "lock_memories")
            kept = [await self._learn(conn, session, incident, one, at) for one in stated]
            for n, why in enumerate(refused):
                key = f"memory-refused/{session}/{n}"
                detail: dict[str, object] = {"incident": incident, "reason": why}
                await _audit(conn, key, at, Writer("session", session), "memory.refused", "", detail)
            if any(kept):
                await self._keep_bounds(conn, at)
                await tell(conn, TOPIC)
            return sum(kept)

        return await self._pool.run(work)

    async def _learn(
        self, conn: Connection, session: SessionId, incident: IncidentId, one: Learned, at: datetime
    ) -> bool:
        source: dict[str, object] = {"session": session, "incident": incident, "at": at}
        known = await _same(conn, one.service, one.category, one.text)
        if known is None:
            new = {**one.model_dump(), "same": same(one.text), "pinned": False, "author": "", **source}
            id_ = memory_id(session, one.service, one.category, same(one.text))
            if not await execute(conn, "save_memory", {**new, "id": id_}):
                return False  # a retry, and a person has changed it in the meantime
            await execute(conn, "save_memory_source", {**source, "memory": id_})
            return await _said(conn, id_, "memory.learned", one, source)
        taught = await conn.execute(query("incident_taught_memory"), {"memory": known.id, "incident": incident})
        row = await taught.fetchone()
        first_of_session = await execute(conn, "save_memory_source", {**source, "memory": known.id})
        # What a person forgot stays forgotten. Tiers of one incident read each other: they are one witness.
        if known.forgotten_at is not None or not first_of_session or (row and row[0]):
            return False
        surer = strengthened(confidence_at(known, at, self._rule), one.confidence)
        await execute(conn, "strengthen_memory", {**source, "id": known.id, "confidence": surer})
        return await _said(conn, known.id, "memory.strengthened", one, source)

    async def recall(self, services: Sequence[str], at: datetime, but_of: str = "") -> tuple[Memory, ...]:
        """The surest memories of these services ("" for those of none) that nobody forgot.

        Without what the incident `but_of` alone taught: its reports tell that.
        """
        params = {
            "but_of": but_of,
            "services": list(services),
            "at": at,
            "half_life_s": self._half_life_s,
            "limit": max(1, self._rule.quoted),
        }
        return tuple(await self._pool.values("recall_memories", Memory, params))

    async def weed(self, at: datetime) -> int:
        """Drop what has faded, and what is too much. Returns how many are gone."""

        async def work(conn: Connection) -> int:
            await execute(conn, "lock_memories")
            gone = await self._keep_bounds(conn, at)
            if gone:
                await tell(conn, TOPIC)
            return gone

        return await self._pool.run(work)

    async def _keep_bounds(self, conn: Connection, at: datetime) -> int:
        rule = self._rule
        worth = {"at": at, "half_life_s": self._half_life_s}
        faded = await execute(conn, "drop_faded_memories", {**worth, "forget_below": rule.forget_below})
        bounds = {"per_service": rule.per_service, "in_all": rule.in_all}
        return faded + await execute(conn, "drop_weakest_memories", {**worth, **bounds})

    @property
    def _half_life_s(self) -> float:
        return self._rule.half_life_days * 86_400

    # ------------------------------------------------------------ reading

    async def list(self, which: MemoryFilter, at: datetime, after: str = "", limit: int = 50) -> Page[Memory]:
        """One page, the last seen first."""
        worth = {"at": at, "half_life_s": self._half_life_s}
        params = {**asdict(which), **worth, **position(after), "limit": limit + 1}
        rows = await self._pool.chosen("list_memories", Memory, params)
        return page(rows, limit, lambda row: cursor_of(row.seen_at, row.id))

    async def find(self, memory: str) -> Memory | None:
        """One memory, also a forgotten one."""
        return first(await self._pool.values("find_memory", Memory, {"id": memory}))

    async def sources(self, memory: str) -> tuple[MemorySource, ...]:
        """The sessions that stated it, newest first."""
        params = {"memory": memory, "limit": SOURCES}
        return tuple(await self._pool.values("memory_sources", MemorySource, params))

    async def services(self) -> tuple[str, ...]:
        """Services that have memories, in order."""
        return tuple(str(s) for s in await self._pool.scalars("memory_services"))

    # ------------------------------------------------------------ people

    async def add(self, memory: Memory, key: str, writer: Writer) -> Memory | None:
        """Keep what a person wrote. Where the same is known already, that one, unchanged; None where it is kept.

        Raises NoRoomError, and changes nothing, where it would be the first to go.
        """

        async def work(conn: Connection) -> Memory | None:
            await execute(conn, "lock_memories")
            known = await _same(conn, memory.service, memory.category, memory.text)
            if known is not None and known.id != memory.id:
                return known
            params = {**memory.model_dump(), "same": same(memory.text), "at": memory.created_at}
            if await execute(conn, "save_memory", params):
                await _audit(conn, key, memory.created_at, writer, "memory.added", memory.id, _told(memory))
                await self._keep_bounds(conn, memory.created_at)
                if await _same(conn, memory.service, memory.category, memory.text) is None:
                    raise NoRoomError("there are as many as there may be, and all of them are surer")
                await tell(conn, TOPIC)
            return None

        return await self._pool.run(work)

    async def change(self, before: Memory, after: Memory, key: str, writer: Writer) -> Memory | None:
        """Write `after` over `before`. None where it is done; otherwise the memory that says the same already."""

        async def work(conn: Connection) -> Memory | None:
            await execute(conn, "lock_memories")
            known = await _same(conn, after.service, after.category, after.text)
            if known is not None and known.id != after.id:
                return known
            params = {**after.model_dump(), "same": same(after.text), "at": after.seen_at}
            if await execute(conn, "change_memory", params):
                detail = {"before": _told(before), **_told(after)}
                await _audit(conn, key, after.seen_at, writer, "memory.changed", after.id, detail)
                await tell(conn, TOPIC)
            return None

        return await self._pool.run(work)

    async def forget(self, memory: Memory, at: datetime, key: str, writer: Writer) -> bool:
        """Hide it from sessions and lists. False where it was forgotten before."""
        return await self._mark("forget_memory", "memory.forgotten", memory, at, key, writer)

    async def restore(self, memory: Memory, at: datetime, key: str, writer: Writer) -> bool:
        """Take `forget` back. False where it was not forgotten."""
        return await self._mark("restore_memory", "memory.restored", memory, at, key, writer)

    async def pin(self, memory: Memory, at: datetime, key: str, writer: Writer, *, on: bool) -> bool:
        """Let it fade no longer, or again. False where it is so already."""
        action = "memory.pinned" if on else "memory.unpinned"
        return await self._mark("pin_memory", action, memory, at, key, writer, pinned=on)

    async def pinned(self, service: str) -> int:
        """How many of a service do not fade."""
        return int(str(first(await self._pool.scalars("count_pinned_memories", {"service": service})) or 0))

    async def _mark(
        self, name: str, action: str, memory: Memory, at: datetime, key: str, writer: Writer, **more: object
    ) -> bool:
        params = {"id": memory.id, "at": at, "actor": writer.name, "half_life_s": self._half_life_s, **more}

        async def work(conn: Connection) -> bool:
            changed = await execute(conn, name, params) > 0
            if changed:
                await _audit(conn, key, at, writer, action, memory.id, _told(memory))
                await tell(conn, TOPIC)
            return changed

        return await self._pool.run(work)


async def _same(conn: Connection, service: str, category: MemoryCategory, text: str) -> Memory | None:
    async with conn.cursor(row_factory=class_row(Memory)) as cursor:
        params = {"service": service, "category": category, "same": same(text)}
        await cursor.execute(query("same_memory"), params)
        return await cursor.fetchone()


def _told(memory: Memory | Learned) -> dict[str, object]:
    names = ("service", "category", "text", "confidence")
    return {name: getattr(memory, name) for name in names}


async def _said(conn: Connection, id_: MemoryId, action: str, one: Learned, source: dict[str, object]) -> bool:
    session, at = str(source["session"]), source["at"]
    assert isinstance(at, datetime)  # noqa: S101 - learn() put it there
    detail = {**_told(one), "incident": source["incident"]}
    await _audit(conn, f"memory/{session}/{id_}", at, Writer("session", session), action, id_, detail)
    return True


async def _audit(
    conn: Connection, key: str, at: datetime, writer: Writer, action: str, target: str, detail: dict[str, object]
) -> None:
    params = {"key": key, "at": at, "actor_kind": writer.kind, "actor": writer.name, "action": action}
    await execute(conn, "save_audit", {**params, "target": target, "detail": jsonb(detail)})
