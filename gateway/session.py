"""What the handlers of one door share: whose door it is, and the ports behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import aiohttp
from aiohttp import web
from opentelemetry.trace import Tracer

from domain.ports import Broker, Clock, Door, ModelRecords
from gateway.credential import Credential
from gateway.observer import Observer
from gateway.recorder import Recorder

MAX_MODEL_BODY = 32 << 20  # the API's own bound
MAX_JSON_BODY = 1 << 20


class Auditor(Protocol):
    """Keeps who did what. The same key twice is one entry."""

    async def audit(
        self, key: str, at: datetime, actor_kind: str, actor: str, action: str, target: str, detail: dict[str, object]
    ) -> None: ...


class Records(ModelRecords, Auditor, Protocol):
    """What the gateway writes."""


@dataclass(frozen=True)
class Upstream:
    """Where model requests go, and what each tier may ask for."""

    url: str
    credential: Credential
    models: dict[int, str]
    scripted: bool = False


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
    otlp_endpoint: str = ""
    otlp_headers: tuple[tuple[str, str], ...] = ()
    gate_bound_s: float = 45.0
    act_bound_s: float = 1_800.0
    progress_s: float = 5.0


MAX_WISHES = 60  # per session; a repair needs a handful


@dataclass
class Session:
    """One open door. `door` is replaced when the session's next attempt opens it again."""

    door: Door
    behind: Behind
    wishes: set[str] = field(default_factory=set[str])

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
        incident = {"incident": self.door.incident, "tier": self.door.tier}

        async def write() -> None:
            await records.audit(key, at, "session", actor, action, target, {**incident, **detail})

        self.behind.recorder.put(f"audit {action}", write)


SESSION = web.AppKey("session", Session)


async def bounded_body(request: web.Request, limit: int) -> bytes | None:
    """The request's body, or None where it is longer than `limit` bytes. No more than `limit` is ever held."""
    if (request.content_length or 0) > limit:
        return None
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)
