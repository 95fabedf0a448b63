"""Memories as people see and correct them. Every change is in the audit with the name of whoever made it."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from adapters.database.memories import MemoryFilter, MemorySource, MemoryStore, NoRoomError, Writer
from adapters.database.records import Page
from domain.ids import MemoryId
from domain.inventory import Inventory
from domain.memory import MAX_TEXT, Memory, MemoryCategory, MemoryRule, Recalled
from domain.ports import Clock
from policy.memories import clipped, one_line, recalled
from web.services.answers import Actor
from web.services.people import Said

ROWS = 50
OF_SERVICE = 20
MOST_PINNED = 20  # of one service: pinned ones are told before all others, and never go
GONE = "This memory is gone: it faded, or there were surer ones."
MASKED = " What looked like a secret was taken out."


class Noted(Said):
    """What came of a change, and which memory it was."""

    memory: str = ""


@dataclass(frozen=True)
class MemoryView:
    """One memory with the sessions that stated it, newest first."""

    one: Recalled
    sources: tuple[MemorySource, ...]


@dataclass(frozen=True)
class Written:
    """What a person wrote. `confidence` is from 0 to 1."""

    service: str
    category: MemoryCategory
    text: str
    confidence: float


class MemoryBook:
    """Reads and changes memories. Every method raises RecordUnavailableError where the record cannot be used."""

    def __init__(
        self,
        store: MemoryStore,
        inventory: Callable[[], Awaitable[Inventory]],
        rule: MemoryRule,
        clock: Clock,
        redact: Callable[[str], str],
    ) -> None:
        self._store = store
        self._inventory = inventory
        self.rule = rule
        self._clock = clock
        self._redact = redact

    # ------------------------------------------------------------ reading

    async def list(self, which: MemoryFilter, after: str = "", limit: int = ROWS) -> Page[Recalled]:
        """One page, the last seen first, each with what it is worth now."""
        now = self._clock.now()
        found = await self._store.list(which, now, after, limit)
        return Page(tuple(recalled(m, now, self.rule) for m in found.rows), found.next)

    async def of(self, service: str) -> tuple[Recalled, ...]:
        """Those of one service, the surest first."""
        rows = (await self.list(MemoryFilter(service=service), limit=self.rule.per_service)).rows
        return tuple(sorted(rows, key=lambda r: -r.confidence)[:OF_SERVICE])

    async def one(self, memory: str) -> MemoryView | None:
        """One memory, also a forgotten one."""
        found, sources = await asyncio.gather(self._store.find(memory), self._store.sources(memory))
        return MemoryView(recalled(found, self._clock.now(), self.rule), sources) if found else None

    async def services(self) -> tuple[str, ...]:
        """Services that have memories."""
        return await self._store.services()

    # ------------------------------------------------------------ changing

    async def add(self, written: Written, actor: Actor) -> Noted:
        """Keep what a person wrote."""
        problem, fit = await self._fit(written)
        if problem:
            return Noted(accepted=False, message=problem)
        now = self._clock.now()
        memory = Memory(
            id=MemoryId(f"mem_{uuid.uuid4().hex[:18]}"),
            service=fit.service,
            category=fit.category,
            text=fit.text,
            confidence=fit.confidence,
            author=actor.name,
            created_at=now,
            seen_at=now,
        )
        try:
            known = await self._store.add(memory, _key(), _writer(actor))
        except NoRoomError as e:
            about = fit.service or "all services"
            return Noted(accepted=False, message=f"Of {about} {e}. Forget one that is not needed, or be surer.")
        if known is not None:
            return Noted(accepted=False, message=_known(known), memory=known.id)
        return Noted(
            accepted=True, message="Sessions are told it from now on." + self._masked(written), memory=memory.id
        )

    async def change(self, memory: str, written: Written, actor: Actor) -> Noted:
        """Write something else in its place. It counts as seen now."""
        before = await self._store.find(memory)
        if before is None or before.forgotten_at is not None:
            return Noted(accepted=False, message=GONE if before is None else "Restore it first; it was forgotten.")
        problem, fit = await self._fit(written)
        if problem:
            return Noted(accepted=False, message=problem)
        new = {"service": fit.service, "category": fit.category, "text": fit.text, "confidence": fit.confidence}
        after = before.model_copy(update={**new, "author": actor.name, "seen_at": self._clock.now()})
        known = await self._store.change(before, after, _key(), _writer(actor))
        if known is not None:
            return Noted(accepted=False, message=_known(known), memory=known.id)
        return Noted(accepted=True, message="Changed." + self._masked(written), memory=memory)

    async def forget(self, memory: str, actor: Actor) -> Noted:
        """Tell it to nobody any more, and let no session bring it back."""
        done = "Forgotten. No session is told it, and none brings it back."
        return await self._mark(memory, self._store.forget, actor, done, "It was forgotten before.")

    async def restore(self, memory: str, actor: Actor) -> Noted:
        """Take `forget` back."""
        return await self._mark(memory, self._store.restore, actor, "It is back.", "It was not forgotten.")

    async def pin(self, memory: str, actor: Actor) -> Noted:
        """Let it fade no longer."""
        known = await self._store.find(memory)
        if known is not None and await self._store.pinned(known.service) >= MOST_PINNED:
            what = known.service or "all services"
            return Noted(
                accepted=False, message=f"{MOST_PINNED} memories of {what} are pinned already. Unpin one first."
            )

        async def act(one: Memory, at: datetime, key: str, writer: Writer) -> bool:
            return await self._store.pin(one, at, key, writer, on=True)

        return await self._mark(memory, act, actor, "Pinned: it does not fade.", "It is pinned already, or forgotten.")

    async def unpin(self, memory: str, actor: Actor) -> Noted:
        """Let it fade from now on."""

        async def act(one: Memory, at: datetime, key: str, writer: Writer) -> bool:
            return await self._store.pin(one, at, key, writer, on=False)

        return await self._mark(memory, act, actor, "Unpinned: it fades from now on.", "It is not pinned.")

    async def _mark(
        self,
        memory: str,
        act: Callable[[Memory, datetime, str, Writer], Awaitable[bool]],
        actor: Actor,
        done: str,
        otherwise: str,
    ) -> Noted:
        known = await self._store.find(memory)
        if known is None:
            return Noted(accepted=False, message=GONE)
        changed = await act(known, self._clock.now(), _key(), _writer(actor))
        return Noted(accepted=changed, message=done if changed else otherwise, memory=known.id)

    async def _fit(self, written: Written) -> tuple[str, Written]:
        """(what is wrong with it or "", it as it is kept)."""
        service = (await self._inventory()).resolve(written.service) if written.service.strip() else None
        text = one_line(self._redact(one_line(written.text)))  # an invisible mark would hide a secret from it
        fit = Written(service.id if service else "", written.category, text, clipped(written.confidence))
        if written.service.strip() and service is None:
            return "No repository declares this service. Leave it empty for what is true of all.", fit
        if not text:
            return "Write one sentence.", fit
        if len(written.text.strip()) > MAX_TEXT:
            return f"Write at most {MAX_TEXT} characters.", fit
        if fit.confidence < self.rule.forget_below:
            return f"What is less sure than {self.rule.forget_below:.0%} is forgotten at once.", fit
        return "", fit

    def _masked(self, written: Written) -> str:
        plain = one_line(written.text)
        return "" if self._redact(plain) == plain else MASKED


def _known(memory: Memory) -> str:
    if memory.forgotten_at is not None:
        return f"{memory.forgotten_by} forgot this on purpose. It is in the list under Forgotten, and can be restored."
    return "This is known already. Change that one instead."


def _key() -> str:
    return uuid.uuid4().hex


def _writer(actor: Actor) -> Writer:
    return Writer(actor.kind, actor.name)
