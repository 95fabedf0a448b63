"""The test buttons of the settings page: one look at one part, plain words, and what to do next."""

import os
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from adapters.database.reads import Reads
from adapters.engine.look import EngineLook, away
from config import telemetry
from config.settings import Settings
from domain.errors import ConfigurationError, EngineUnavailableError, RecordUnavailableError
from domain.examination import CHANNELS, ISOLATION, MODEL, Examination, ExaminationOrder, Finding
from domain.ports import Clock, IncidentRecords
from web.services.actions import Act, Actor
from web.services.echo import Echo
from web.services.engine_link import EngineLink

_TIMEOUT = aiohttp.ClientTimeout(total=6, sock_connect=4)
_PAUSE_S = {CHANNELS: 30.0, MODEL: 10.0}  # people and a foreign API are not to be flooded
_USUAL_PAUSE_S = 2.0


@dataclass(frozen=True)
class Part:
    """Something that can be tested."""

    name: str
    title: str
    what: str  # what the test does
    variables: str


PARTS = (
    Part(CHANNELS, "Messages", "Sends a test message through every channel.", "TIERCEL_APPRISE_URLS"),
    Part(
        MODEL,
        "Model API",
        "Lets the gateway count the tokens of one dot with each tier's model. That is free.",
        "ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN",
    ),
    Part(ISOLATION, "Isolation", "Builds the wall of a session, without a session in it.", "TIERCEL_ENGINE"),
    Part("engine", "Temporal", "Asks it for its version, and whether a worker takes work.", "TEMPORAL_ADDRESS"),
    Part("record", "Postgres", "Asks it for its version and for the size of the record.", "DATABASE_URL"),
    Part(
        "address",
        "Public address",
        "Opens the dashboard the way people do, and sees whether live updates arrive at once.",
        "TIERCEL_PUBLIC_URL",
    ),
    Part("traces", "Traces", "Sends an empty report to the collector, and opens Jaeger's page.", telemetry.ENDPOINT),
)
NAMES = tuple(part.name for part in PARTS)


@dataclass(frozen=True)
class Tested:
    """What the newest test of a part found."""

    at: datetime
    actor: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> str:
        """The worst finding."""
        levels = {f.level for f in self.findings}
        return next((level for level in ("fail", "warn") if level in levels), "ok")


class Examinations:
    """Runs tests, one of a part at a time and not too often. Remembers the newest result until this process ends."""

    def __init__(
        self,
        reads: Reads,
        engine: EngineLink,
        look: EngineLook,
        records: IncidentRecords,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._reads = reads
        self._engine = engine
        self._look = look
        self._records = records
        self._clock = clock
        self._settings = settings
        self._running: set[str] = set()
        self.echo = Echo()
        self.newest: dict[str, Tested] = {}

    async def run(self, part: str, actor: Actor) -> Act:
        """Test one part now. The result is in `newest`."""
        wait = self._too_soon(part)
        if wait:
            return Act(accepted=False, message=wait)
        self._running.add(part)
        try:
            findings = await self._findings(part)
            self.newest[part] = tested = Tested(self._clock.now(), actor.name, findings)
        finally:
            self._running.discard(part)
        detail: dict[str, object] = {"result": tested.level, "found": [f"{f.name}: {f.cause}"[:300] for f in findings]}
        await self._audit(actor, part, detail)
        return Act(accepted=True, message="; ".join(f"{f.name}: {f.cause}" for f in findings))

    def _too_soon(self, part: str) -> str:
        if part in self._running:
            return "This test is already running. Its result appears here."
        last = self.newest.get(part)
        pause = _PAUSE_S.get(part, _USUAL_PAUSE_S)
        left = pause - (self._clock.now() - last.at).total_seconds() if last else 0.0
        return f"It was tested just now. Wait {max(1, round(left))} s." if left > 0 else ""

    async def _findings(self, part: str) -> tuple[Finding, ...]:
        ways: dict[str, Callable[[], Awaitable[tuple[Finding, ...]]]] = {
            "record": self._record,
            "engine": self._temporal,
            "address": lambda: self.echo.examine(self._settings.public_url),
            "traces": self._traces,
        }
        return await ways.get(part, lambda: self._by_worker(part))()

    async def _by_worker(self, part: str) -> tuple[Finding, ...]:
        order = ExaminationOrder(part=part, key=uuid.uuid4().hex)
        return await self._asked(lambda: self._look.worker(order))

    async def _temporal(self) -> tuple[Finding, ...]:
        return await self._asked(self._look.engine)

    async def _asked(self, ask: Callable[[], Awaitable[Examination]]) -> tuple[Finding, ...]:
        try:
            await self._engine.required()
            return (await ask()).findings
        except EngineUnavailableError as e:
            return away(e).findings

    async def _record(self) -> tuple[Finding, ...]:
        try:
            version, size, schema = await self._reads.server()
        except RecordUnavailableError as e:
            return (
                Finding(name="Postgres", level="fail", cause=str(e), fix="start it: `tiercel doctor` says why not"),
            )
        cause = f"version {version} answers; the record has {size / 1e6:,.0f} MB, schema {schema}"
        return (Finding(name="Postgres", level="ok", cause=cause),)

    async def _traces(self) -> tuple[Finding, ...]:
        try:
            endpoint = telemetry.endpoint_of(os.environ)
        except ConfigurationError as e:
            cause, _, fix = str(e).partition("; ")
            return (Finding(name="collector", level="fail", cause=cause, fix=fix),)
        found = [await _collector(endpoint, telemetry.headers_of(os.environ))]
        if self._settings.trace_ui_url:
            found.append(await _page("Jaeger", self._settings.trace_ui_url, "TIERCEL_TRACE_UI_URL"))
        return tuple(found)

    async def _audit(self, actor: Actor, part: str, detail: dict[str, object]) -> None:
        at = self._clock.now()
        await self._records.audit(uuid.uuid4().hex, at, actor.kind, actor.name, "settings.tested", part, detail)


async def _collector(endpoint: str, headers: dict[str, str]) -> Finding:
    if not endpoint:
        fix = f"nothing, or set {telemetry.ENDPOINT}, for example to http://127.0.0.1:4318"
        return Finding(name="collector", level="ok", cause="not set, so no traces are made", fix=fix)
    headers = {**headers, "content-type": "application/x-protobuf"}
    status = await _status("POST", endpoint, headers)
    if status == 200:
        return Finding(name="collector", level="ok", cause="takes traces")
    cause = f"answers {status}" if status else "does not answer"
    fix = f"start the collector, or correct {telemetry.ENDPOINT} (port 4318 speaks HTTP)"
    return Finding(name="collector", level="fail", cause=cause, fix=fix)


async def _page(name: str, address: str, variable: str) -> Finding:
    status = await _status("GET", address, {})
    if status and status < 400:
        return Finding(name=name, level="ok", cause="its page opens")
    cause = f"answers {status}" if status else "does not answer from this machine"
    return Finding(name=name, level="warn", cause=cause, fix=f"start it, or correct {variable}")


async def _status(method: str, address: str, headers: dict[str, str]) -> int:
    """The status of an answer, 0 where there is none."""
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as http,
            http.request(method, address, headers=headers, data=b"" if method == "POST" else None) as answer,
        ):
            return answer.status
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return 0
