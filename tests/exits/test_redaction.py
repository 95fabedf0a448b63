"""One known secret in every usual spelling, and each place at which words leave: the real path to it each time."""

import asyncio
import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import aiohttp
import psycopg
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.briefing import Briefing, Texts
from activities.memories import Memories
from activities.notify import NoticeActivities
from activities.output import OutputCopy
from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.links import LinkStore
from adapters.database.memories import MemoryStore
from adapters.database.notices import NoticeStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from adapters.database.sessions import SessionStore
from adapters.notify.apprise_notifier import AppriseNotifier
from claude.library import Library
from config.clock import SystemClock
from config.logging import secrets_of
from config.settings import load
from domain.ids import IncidentId, ServiceId, SessionId
from domain.incident import Timeline
from domain.inventory import Inventory, RepositoryNotes, Service, ServiceKind
from domain.memory import Learned, MemoryCategory, MemoryRule
from domain.notice import Notice, NoticeKind
from domain.ports import SessionFolder
from domain.session import SessionOrder, TierSettings
from domain.work import SendOrder
from gateway.records import LateRecords
from policy.redaction import redactor
from tests.support import gateway, seed
from tests.support.browser import dashboard, settings_for
from tests.support.engine_room import NOWHERE
from tests.support.otlp import Collector
from tests.support.receivers import http_receiver

SECRET = 'Zx9"qu/\\te+word-77'
KEY = "sk-ant-" + "api03-nobodys-real-key"
REDACT = redactor([SECRET])
SESSION = SessionId("5f0c6a4e-0000-5000-8000-0000000000ee")
INCIDENT = IncidentId("inc_exits")
NOW = datetime.now(UTC)


def written() -> list[str]:
    """The secret as it is found in the wild."""
    raw = SECRET.encode()
    aligned = [base64.b64encode(b"u" * n + raw + b"v" * 3).decode() for n in range(3)]
    return [SECRET, json.dumps(SECRET)[1:-1], quote(SECRET, safe=""), quote(SECRET), raw.hex(), *aligned, KEY]


def left(text: str) -> list[str]:
    """What of it can still be read."""
    cores = [base64.b64encode(b"u" * n + SECRET.encode()).decode()[-(-8 * n // 6) :][:20] for n in range(3)]
    twice = json.dumps(json.dumps(SECRET))[3:-3]
    return [w for w in (*written()[:5], KEY, *cores, twice) if w in text]


MESSAGE = " and ".join(written())


def test_the_check_itself_sees_each_of_them() -> None:
    assert all(left(word) for word in written())
    assert left(json.dumps({"k": SECRET}))


# ---------------------------------------------------------------- the record, the live stream, the exports


async def opened(pool: Pool) -> None:
    """An incident with a session that runs."""
    stores = seed.Stores.on(pool)
    await seed.opened(stores, INCIDENT, seed.services()[1], NOW, "blog does not answer", "escalation/x")
    await stores.sessions.session_started(seed.order(INCIDENT, SESSION, 2), seed.WALLED, scripted=False, at=NOW)


def says(text: str) -> bytes:
    """A line of the CLI's stream."""
    content = [{"type": "text", "text": text}]
    return json.dumps({"type": "assistant", "message": {"role": "assistant", "content": content}}).encode() + b"\n"


async def test_the_record_the_live_stream_and_the_exports(pool: Pool, database_url: str, tmp_path: Path) -> None:
    await opened(pool)
    copy = OutputCopy(SessionStore(pool), SESSION, 1, REDACT, SystemClock())
    half = len(SECRET) // 2
    stream = (
        says(MESSAGE[:200]) + b"".join(says(w) for w in written()) + says(f"torn {SECRET[:half]}\n{SECRET[half:]} end")
    )
    for at in range(0, len(stream), 7):  # pieces of a pipe
        await copy.feed(stream[at : at + 7])
    await copy.finish()
    # Exports look once more, whatever the record holds.
    await IncidentStore(pool).timeline("k", Timeline(incident=INCIDENT, at=NOW, kind="note", text=MESSAGE))
    lines = await stored(pool)
    assert left(lines) == []
    assert SECRET[:half] not in lines
    assert SECRET[half:] not in lines
    urls = SecretStr(f"json://x/ {SECRET}")
    settings = settings_for(database_url, tmp_path, temporal_address="127.0.0.1:1", apprise_urls=urls)
    assert SECRET in secrets_of(settings)
    async with dashboard(pool, settings) as house, aiohttp.ClientSession() as http:
        live = await first_events(http, f"{house.url}/sessions/{SESSION}/1/stream", "] end")
        assert live.count("redacted") >= len(written())
        assert left(live) == []
        for kind in ("md", "json"):
            async with http.get(f"{house.url}/incidents/{INCIDENT}.{kind}") as answer:
                text = await answer.text()
                assert answer.status == 200
                assert "redacted" in text
                assert left(text) == []


async def stored(pool: Pool) -> str:
    found = await Reads(pool).read_output(SESSION, 1, 0, 1000)
    return "\n".join(line.text for line in found)


async def first_events(http: aiohttp.ClientSession, url: str, last: str) -> str:
    """The stream up to the event that holds `last`."""
    seen = b""
    async with asyncio.timeout(20), http.get(url) as answer:
        assert answer.status == 200
        async for chunk in answer.content.iter_any():
            seen += chunk
            if last.encode() in seen:
                break
    return seen.decode()


# ---------------------------------------------------------------- the prompt


async def test_the_prompt(pool: Pool) -> None:
    service = Service(id=ServiceId("local/web"), name="web", kind=ServiceKind.UNIT, notes=MESSAGE, repository="shop")
    notes = RepositoryNotes(repository="shop", path="/repos/shop", manifest=f"# Shop\n\n{MESSAGE}\n")
    await HealthStore(pool).save_inventory(Inventory(services=(service,), repositories=(notes,)), NOW)
    await opened(pool)
    texts = Texts(tiers={2: "text"}, library=Library(), report_schema={})
    tier = TierSettings(tier=2, name="t", model="m", timeout_s=60, max_turns=5, budget_usd=1)
    order = SessionOrder(
        session=SESSION, incident=INCIDENT, workflow_id="w", workflow_run_id="r", tier=tier, prompt=MESSAGE
    )
    rule, health = MemoryRule(), HealthStore(pool)
    memories = Memories(MemoryStore(pool, rule), health, rule, SystemClock())
    stated = tuple(Learned(category=MemoryCategory.PLACE, text=f"{n}: {w}") for n, w in enumerate(written()[:5]))
    await memories.learn(SESSION, IncidentId("inc_before"), stated)  # unredacted, as if the first look had missed it
    briefing = Briefing(SessionStore(pool), health, texts, redact=REDACT, memories=memories)
    plan = (await briefing.plan(order, SessionFolder(root=Path("/s")), "api_key", "")).plan
    assert "redacted" in plan.prompt
    assert plan.prompt.count("- all services, place: confidence 0.50, last seen today") == 5
    assert left(plan.prompt + plan.system_prompt) == []


# ---------------------------------------------------------------- spans and logs


def test_a_span_and_a_log_of_ours() -> None:
    code = (
        "import os, sys\n"
        "from config import logging, telemetry\n"
        "from config.settings import load\n"
        "settings = load({'TIERCEL_APPRISE_URLS': os.environ['S']})\n"
        "logging.configure(settings, 'test')\n"
        "started = telemetry.start('test', secrets=logging.secrets_of(settings))\n"
        "logging.logger('x').warning(os.environ['M'], field=os.environ['M'])\n"
        "with telemetry.span('x', {'tiercel.what': os.environ['M'][:250]}) as span:\n"
        "    span.record_exception(ValueError(os.environ['M']))\n"
        "started.stop()\n"
    )
    with Collector() as collector:
        env = {"S": SECRET, "M": MESSAGE, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        sent = b"".join(collector.bodies["traces"]).decode("utf-8", "replace")
        headers = collector.headers
    assert headers
    assert "redacted" in done.stderr
    assert left(done.stderr) == []
    assert left(sent) == []


@pytest.mark.parametrize("shape", ["protobuf", "json"])
async def test_what_a_sessions_own_telemetry_says(tmp_path: Path, shape: str) -> None:
    value = KeyValue(key=MESSAGE, value=AnyValue(string_value=MESSAGE))
    span = Span(name=MESSAGE, attributes=[value, KeyValue(key="b", value=AnyValue(bytes_value=MESSAGE.encode()))])
    message = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])])])
    as_json = json.dumps({"resourceSpans": [{"x": [MESSAGE, {MESSAGE: 1}]}]}).encode()
    body, kind = (message.SerializeToString(), "x-protobuf") if shape == "protobuf" else (as_json, "json")
    got: list[bytes] = []

    async def collector(request: web.Request) -> web.Response:
        got.append(await request.read())
        return web.Response()

    async with gateway.upstream(collector) as url, gateway.room(tmp_path, otlp_endpoint=url, redact=REDACT) as room:
        door = await room.open()
        async with gateway.through(door) as client:
            headers = {"Content-Type": f"application/{kind}"}
            async with client.post("/otel/v1/traces", data=body, headers=headers) as answer:
                assert answer.status == 200
            async with client.post("/otel/v1/traces", data=b"\xff\xff", headers=headers) as answer:
                assert answer.status == 400
            packed = {**headers, "Content-Encoding": "x-packed"}
            async with client.post("/otel/v1/traces", data=body, headers=packed) as answer:
                assert answer.status == 415
            while not got:
                await asyncio.sleep(0.01)
    [sent] = got
    assert b"redacted" in sent
    assert left(sent.decode("utf-8", "replace")) == []
    assert shape == "json" or ExportTraceServiceRequest.FromString(sent).resource_spans


# ---------------------------------------------------------------- notifications and the audit


async def test_a_notification(pool: Pool, database_url: str) -> None:
    async with http_receiver() as receiver:
        notifier = AppriseNotifier(f"json://127.0.0.1:{receiver.port}/")
        activities = NoticeActivities(notifier, NoticeStore(pool), SystemClock(), LinkStore(pool), NOWHERE, REDACT)
        notice = Notice(key="k", kind=NoticeKind.TEST, title=MESSAGE[:100], body=MESSAGE)
        assert await ActivityEnvironment().run(
            activities.send, SendOrder(notice=notice, channel=notifier.channels()[0])
        )
        [request] = receiver.requests
    assert "redacted" in request.body.decode()
    assert left(request.body.decode()) == []
    with psycopg.connect(database_url) as db:
        rows = str(db.execute("SELECT row_to_json(notice)::text FROM notice").fetchall())
    assert left(rows) == []


async def test_the_audit_and_what_reaches_an_escalation(database_url: str, tmp_path: Path) -> None:
    records = LateRecords(load({"DATABASE_URL": database_url}).database_url)
    async with gateway.room(tmp_path, records=records, redact=REDACT) as room:
        door = await room.open(tier=2)
        call = {"session_id": "s", "hook_event_name": "PreToolUse", "tool_use_id": "toolu_1"}
        async with gateway.through(door) as client:
            asked = {"kind": "restart", "target": "local/web", "reason": MESSAGE[:900]}
            for tool, given in (
                ("mcp__tiercel__act", asked),
                (MESSAGE[:90], {}),
                ("mcp__tiercel__act", {**asked, "params": {"x": SECRET}}),
            ):
                async with client.post("/gate", json={**call, "tool_name": tool, "tool_input": given}) as answer:
                    assert answer.status == 200
        await room.written()
        [reached] = room.broker.considered
    await records.close()
    assert "redacted" in reached.reason
    assert left(reached.model_dump_json()) == []
    with psycopg.connect(database_url) as db:
        rows = [str(r[0]) for r in db.execute("SELECT row_to_json(audit)::text FROM audit").fetchall()]
    assert rows
    assert left("".join(rows)) == []
