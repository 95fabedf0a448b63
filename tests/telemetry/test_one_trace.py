"""One trace from schedule to model request and to the action, over the whole product; a real Jaeger shows it."""

import asyncio
import re
import time
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiohttp import ClientSession

from claude.argv import API_KEY_PLACEHOLDER
from config import library
from demo.faults import FAULTS
from domain.incident import IncidentState
from tests.support import jaeger
from tests.support.full_stack import FullStack, full_stack
from tests.support.otlp import Collector, Span
from tests.support.temporal_binary import binary

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    *(getattr(pytest.mark, name) for name in ("postgres", "temporal", "cli", "isolation", "slow")),
]

COLLECTOR_KEY = "collector-key-that-nobody-may-see-7f3a"
PROMPT = "Has the kestrel come back to its box?"
SERVICES = {"tiercel-web", "tiercel-worker", "tiercel-gateway", "claude-code"}


@dataclass
class Told:
    """What the collector holds after one incident (`trace_id`) and one look that a person asked for (`look_id`)."""

    collector: Collector
    trace_id: str
    look_id: str
    prompts: tuple[str, ...]

    def find(self, name: str, trace_id: str = "") -> list[Span]:
        """The spans of one name in one trace."""
        return [s for s in self.collector.named(name) if s.trace_id == (trace_id or self.trace_id)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told() -> AsyncIterator[Told]:
    """The whole product repairs one hung service and looks once for a person, while a collector receives."""
    await asyncio.to_thread(binary)  # built where it is missing
    with Collector() as collector:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={COLLECTOR_KEY}",
        }
        async with full_stack(variables) as stack:
            await stack.healthy()
            look = await run_now(stack)
            await FAULTS["hung"].inject(stack.stage.host)
            incident = await stack.incident_of("local/web")
            ended = await stack.closed(incident.id)
            assert ended.state == IncidentState.RESOLVED, stack.last_words()
            await stack.closed(look)
            assert stack.stage.model is not None
            prompts = tuple(r.prompt for r in stack.stage.model.requests)
        # Everything has stopped, so everything was sent.
        await asyncio.to_thread(collector.wait_for, "RunActivity:perform", "claude_code.interaction", "POST /runs")
        repair, person = (trace_of(collector, one) for one in (incident.id, look))
        yield Told(collector, repair, person, prompts)


async def run_now(stack: FullStack) -> str:
    """What the button sends. Returns the incident."""
    url = f"http://127.0.0.1:{stack.stage.settings.web_port}/runs"
    form = {"what": "look", "prompt": PROMPT, "tier": "1"}
    async with (
        ClientSession() as http,
        http.post(url, data=form, headers={"x-tiercel-client": "test"}, allow_redirects=False) as answer,
    ):
        found = re.search(r"inc_[0-9a-f-]+", answer.headers.get("Location", "") + await answer.text())
        assert found, answer.status
        return found.group()


def trace_of(collector: Collector, incident: str) -> str:
    """The one trace in which the model was asked for this incident."""
    ids = {s.trace_id for s in collector.named("model request") if s.attributes["tiercel.incident"] == incident}
    assert len(ids) == 1, f"{incident}: {ids}"
    return ids.pop()


async def test_the_model_request_is_at_the_end_of_one_line_that_begins_at_the_schedule(told: Told):
    paths = [told.collector.path(span) for span in told.find("model request")]
    line = [
        "tiercel-worker/Schedule:patrol",
        "tiercel-worker/StartActivity:raise_alerts",
        "tiercel-worker/RunActivity:raise_alerts",
        "tiercel-worker/SignalWithStartWorkflow:EscalationWorkflow",
        "tiercel-worker/StartActivity:run_session",
        "tiercel-worker/RunActivity:run_session",
        "claude-code/claude_code.interaction",
        "claude-code/claude_code.llm_request",
        "tiercel-gateway/model request",
    ]
    assert paths
    assert all(path == line for path in paths), told.collector.tree(told.trace_id)


async def test_the_action_lies_in_the_same_trace_from_the_tool_call_to_the_effect(told: Told):
    asked = told.find("StartWorkflowUpdate:act")
    assert len(asked) == 1
    assert told.collector.path(asked[0])[-5:] == [
        "tiercel-worker/RunActivity:run_session",
        "claude-code/claude_code.interaction",
        "claude-code/claude_code.tool",
        "claude-code/claude_code.tool.execution",
        "tiercel-gateway/StartWorkflowUpdate:act",
    ]
    for name in ("StartWorkflowUpdate:consider", "HandleUpdate:consider", "HandleUpdate:act", "HandleUpdate:acquire"):
        assert told.find(name), name
    (performed,) = told.find("RunActivity:perform")
    assert told.collector.path(performed)[:4] == [
        "tiercel-worker/Schedule:patrol",
        "tiercel-worker/StartActivity:raise_alerts",
        "tiercel-worker/RunActivity:raise_alerts",
        "tiercel-worker/SignalWithStartWorkflow:EscalationWorkflow",
    ]


async def test_every_parent_of_the_trace_was_received_and_there_is_one_root(told: Told):
    spans = [s for s in told.collector.spans if s.trace_id == told.trace_id]
    known = {s.span_id for s in spans}
    assert [s.name for s in spans if s.parent_id not in known] == ["Schedule:patrol"]


async def test_a_patrol_begins_a_trace_of_its_own(told: Told):
    patrols = told.collector.named("Schedule:patrol")
    assert len(patrols) >= 2
    assert len({s.trace_id for s in patrols}) == len(patrols)
    assert all(s.trace_id == s.attributes["temporalRunID"].replace("-", "") for s in patrols)


async def test_what_a_person_asks_for_begins_at_the_page(told: Told):
    for span in told.find("model request", told.look_id):
        path = told.collector.path(span)
        assert path[:2] == ["tiercel-web/POST /runs", "tiercel-web/SignalWithStartWorkflow:EscalationWorkflow"]
        assert path[-1] == "tiercel-gateway/model request"


async def test_every_process_names_itself(told: Told):
    assert {s.service for s in told.collector.spans} == SERVICES
    for trace_id in (told.trace_id, told.look_id):
        services = {s.service for s in told.collector.spans if s.trace_id == trace_id}
        assert services >= SERVICES - {"tiercel-web"}


async def test_spans_carry_what_a_reader_looks_for(told: Told):
    for span in told.find("model request"):
        assert span.kind == "client"
        assert span.attributes["gen_ai.usage.output_tokens"] > 0
        assert span.attributes["http.response.status_code"] == 200
        assert span.attributes["tiercel.scripted"] is True
        assert span.attributes["tiercel.tier"] in {1, 2}
    sessions = {s.attributes["tiercel.session"] for s in told.find("model request")}
    assert {s.resource["session.id"] for s in told.find("claude_code.interaction")} == sessions


async def test_no_secret_and_no_prompt_leaves(told: Told):
    assert told.prompts
    for text in (PROMPT, API_KEY_PLACEHOLDER, COLLECTOR_KEY):
        in_bodies = [kind for kind, bodies in told.collector.bodies.items() for b in bodies if text.encode() in b]
        assert in_bodies == [], text[:12]
    system = [line for tier in (1, 2) for line in library.tier_prompt(tier).splitlines() if len(line) > 40]
    told_to_model = [line for prompt in told.prompts for line in prompt.splitlines() if len(line) > 40]
    assert system
    assert told_to_model
    for line in {*system, *told_to_model}:
        assert not any(line.encode() in body for body in told.collector.bodies["traces"]), line


async def test_the_collectors_key_reaches_the_collector_from_every_process(told: Told):
    keys = {header.get("x-key") or header.get("X-Key") for header in told.collector.headers}
    assert keys == {COLLECTOR_KEY}


@pytest.mark.jaeger
async def test_a_real_jaeger_shows_the_trace(told: Told):
    await asyncio.to_thread(asked_of_jaeger, told)


def asked_of_jaeger(told: Told) -> None:
    with jaeger.started() as server:
        for body in told.collector.bodies["traces"]:
            send(f"{server.endpoint}/v1/traces", body)
        ours = [s for s in told.collector.spans if s.trace_id == told.trace_id]
        deadline = time.monotonic() + 15
        while len(shown := server.trace(told.trace_id)["spans"]) < len(ours):
            assert time.monotonic() < deadline, f"{len(shown)} of {len(ours)} spans"
            time.sleep(0.2)
        assert set(server.services()) == SERVICES
        for service in ("tiercel-worker", "tiercel-gateway", "claude-code"):
            found = server.traces_of(service)
            assert told.trace_id in found, service
        names = {s["operationName"] for s in shown}
        assert {"Schedule:patrol", "RunActivity:run_session", "claude_code.llm_request", "model request"} <= names


def send(url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=5) as answer:
        assert answer.status == 200
