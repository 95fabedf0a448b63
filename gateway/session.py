"""What the handlers of one door share: whose door it is, and the ports behind it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Protocol

import aiohttp
import structlog
from aiohttp import web
from opentelemetry.trace import Tracer

from activities.bait import SEEN
from domain.errors import TransientError
from domain.ids import digest
from domain.inventory import Inventory
from domain.looking import Need
from domain.ports import Broker, Clock, Door, ModelRecords
from gateway import purse
from gateway.bounds import DoorBounds, DoorLimits, Memory
from gateway.credential import Credential
from gateway.docker_window import DockerWindow
from gateway.key_filter import KeyFilter
from gateway.looking.sight import Sight
from gateway.observer import Observer
from gateway.outside import Outside, RealOutside
from gateway.purse import Purse
from gateway.reads import Reads
from gateway.recorder import Recorder
from policy.bait import BaitWatch
from policy.redaction import redacted, redactor
from policy.text import printable

log = structlog.get_logger("gateway.session")

MAX_MODEL_BODY = 32 << 20  # the API's own bound
MAX_JSON_BODY = 1 << 20


class Auditor(Protocol):
    """Keeps who did what. The same key twice is one entry."""

    async def audit(
        self, key: str, at: datetime, actor_kind: str, actor: str, action: str, target: str, detail: dict[str, object]
    ) -> None: ...


class Records(ModelRecords, Auditor, Protocol):
    """What the gateway writes, and the inventory that it judges addresses by."""

    async def load_inventory(self) -> Inventory: ...


@dataclass(frozen=True)
class Upstream:
    """Where model requests go, and what each tier may ask for."""

    url: str
    credential: Credential
    models: dict[int, str]
    scripted: bool = False

    @cached_property
    def key(self) -> KeyFilter:
        """Takes the credential out of what comes back."""
        return KeyFilter(self.credential.secret.get_secret_value())


@dataclass(frozen=True)
class Behind:
    """Everything behind a door. The same for all doors."""

    broker: Broker
    observer: Observer
    records: Records
    recorder: Recorder
    http: aiohttp.ClientSession
    upstream: Upstream
    clock: Clock
    new_id: Callable[[], str]
    tracer: Tracer
    redact: Callable[[str], str] = field(default_factory=redactor)
    outside: Outside = field(default_factory=RealOutside)
    limits: DoorLimits = field(default_factory=DoorLimits)
    memory: Memory = field(default_factory=Memory)
    otlp_endpoint: str = ""
    otlp_headers: tuple[tuple[str, str], ...] = ()
    gate_bound_s: float = 45.0
    act_bound_s: float = 1_800.0
    progress_s: float = 5.0
    window: DockerWindow | None = None
    sight: Sight | None = None
    present: Callable[[], frozenset[Need]] = lambda: frozenset({Need.NOTHING})


MAX_WISHES = 60  # per session; a repair needs a handful
RECALL_S = 3.0  # the record may be away; the session's own file is then what is known of its money
DOCKER_READS_AT_ONCE = 8  # of one session; the ninth waits
LOOKS_AT_ONCE = 4
_WHERE_CHARACTERS = 200  # a session chooses the path of a request


@dataclass
class Session:
    """One open door. `door` is replaced when the session's next attempt opens it again."""

    door: Door
    behind: Behind
    wishes: set[str] = field(default_factory=set[str])
    purse: Purse = field(init=False)
    bounds: DoorBounds = field(init=False)
    docker_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(DOCKER_READS_AT_ONCE))
    look_slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(LOOKS_AT_ONCE))
    reads: Reads = field(init=False)
    _recalling: asyncio.Task[None] | None = None
    _bait: tuple[tuple[str, ...], BaitWatch] | None = None
    _stopped: bool = False
    when_stopped: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.reads = Reads(self.audit, f"{self.door.session}-{self.behind.new_id()}")
        self.purse = Purse(self.door.folder.root / purse.FILE)
        self.bounds = DoorBounds(self.behind.limits, self.behind.memory)
        self._stopped = (self.door.folder.root / SEEN).exists()

    @property
    def stopped(self) -> bool:
        """Whether its bait was seen outside: then nothing is served any more."""
        return self._stopped

    def watch(self, where: str, data: bytes) -> bool:
        """Whether these bytes must not go out, because the session's bait is in them or was seen before."""
        if not self._stopped and (piece := self.bait.seen(data)):
            self.bait_seen(where, piece)
        return self._stopped

    def bait_seen(self, where: str, piece: str) -> None:
        """Serve nothing more, write it down, and tell the worker, which ends the session and opens an incident."""
        self._stopped = True
        where = printable(where)[:_WHERE_CHARACTERS]
        log.error("bait seen outside: the session is stopped", session=self.door.session, where=where, piece=piece)
        done: dict[str, object] = {"piece": piece, "done": "the session is stopped"}
        self.audit(f"bait-{self.door.session}", "bait.seen", where, done)
        (self.door.folder.root / SEEN).write_text(f"{where} ({piece})", encoding="utf-8")
        self.when_stopped()

    @property
    def bait(self) -> BaitWatch:
        """Looks for the bait of the door."""
        if self._bait is None or self._bait[0] != self.door.bait:
            self._bait = (self.door.bait, BaitWatch(self.door.bait))
        return self._bait[1]

    def recall(self) -> None:
        """Ask the record, in the background, what the session has spent under an earlier gateway."""

        async def ask() -> None:
            try:
                async with asyncio.timeout(RECALL_S):
                    self.purse.at_least(await self.behind.records.spent(self.door.session))
            except (TransientError, TimeoutError) as e:
                log.warning("the record was not asked for money spent", session=self.door.session, error=str(e))

        self._recalling = asyncio.create_task(ask())

    async def recalled(self) -> Purse:
        """The session's money, as soon as it is known."""
        if self._recalling is not None:
            await asyncio.wait({self._recalling})
        return self.purse

    def may_wish(self, tool_use_id: str) -> bool:
        """Whether one more wish may reach the escalation. A repeated one may always.

        A run of the engine takes 2,000 updates; a session that never stops asking must not use up those of a person.
        """
        if tool_use_id not in self.wishes and len(self.wishes) >= MAX_WISHES:
            return False
        self.wishes.add(tool_use_id)
        return True

    def audit(self, key: str, action: str, target: str, detail: dict[str, object]) -> None:
        """Write one audit entry in the background."""
        at, actor, records = self.behind.clock.now(), self.door.session, self.behind.records
        clean = self.behind.redact
        told: dict[str, object] = {"incident": self.door.incident, "tier": self.door.tier, **redacted(detail, clean)}

        async def write() -> None:
            await records.audit(key, at, "session", actor, action, clean(target), told)

        self.behind.recorder.put(f"audit {action}", write, actor)

    def tell_tools(self) -> None:
        """Write down which tools it was given, and why not the others. The same again is one entry."""
        granted = self.door.granted
        if granted is not None:
            told = granted.model_dump(mode="json")
            self.audit(f"tools-{self.door.session}-{digest(told)[:16]}", "session.tools", granted.agent, told)

    def close(self) -> None:
        """Say what of this session could not be kept, and what it was refused for asking too much."""
        self.reads.flush()
        lost, refused = self.behind.recorder.lost_of(self.door.session), self.bounds.refused
        if lost or refused:
            detail: dict[str, object] = {"records_lost": lost, "refused_over_limits": refused}
            self.audit(f"limits-{self.behind.new_id()}", "door.limited", self.door.session, detail)


STOPPED = "gateway: this session is stopped"
SESSION = web.AppKey("session", Session)


HELD = web.RequestKey("held", int)  # bytes of the request's body, given back when it is over


async def bounded_body(request: web.Request, limit: int) -> bytes | None:
    """The request's body, or None where it is longer than `limit` bytes or than the gateway has room for.

    Raises HTTPRequestTimeout where it does not come.
    """
    if (request.content_length or 0) > limit:
        return None
    bounds = request.config_dict[SESSION].bounds
    body = bytearray()
    try:
        async with asyncio.timeout(bounds.limits.body_s):
            async for chunk in request.content.iter_any():
                if len(body) + len(chunk) > limit or not bounds.hold(len(chunk)):
                    return None
                body += chunk
                request[HELD] += len(chunk)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    bounds.spend(len(body) >> 20)
    whole = bytes(body)
    if request.config_dict[SESSION].watch(f"a request to {request.path}", whole):
        raise web.HTTPForbidden(text=STOPPED)
    return whole
