"""A run that no client of ours began has a trace of its own, the same after a replay; doors keep traces apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from temporalio.worker import Worker

from config.tracing import RootedTracing, id_generator, ids_of
from tests.support import gateway
from tests.support.temporal import dev_server
from tests.support.traced import Traced, look

SESSION = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def exported() -> Iterator[tuple[TracerProvider, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(id_generator=id_generator())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, exporter
    provider.shutdown()


def spans_of(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


def ids(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


@pytest.mark.temporal
async def test_a_run_that_came_without_a_trace_has_one_root_and_one_trace_although_it_is_replayed(
    exported: tuple[TracerProvider, InMemorySpanExporter],
):
    provider, exporter = exported
    tracing = RootedTracing(provider.get_tracer("t"))
    async with dev_server() as (client, _):
        handle = await client.start_workflow(Traced.run, "local/app", id="elsewhere", task_queue="traced")
        # Without a cache every task replays the run from its beginning, as a restarted worker does.
        async with Worker(
            client,
            task_queue="traced",
            workflows=[Traced],
            activities=[look],
            interceptors=[tracing],
            max_cached_workflows=0,
            max_concurrent_workflow_task_polls=1,
        ):
            assert await handle.result() == "local/app looked at"
    found = spans_of(exporter)
    assert sorted(found) == [
        "Begin:Traced", "CompleteWorkflow:Traced", "RunActivity:look", "RunWorkflow:Traced", "StartActivity:look",
    ]  # fmt: skip
    assert all(len(spans) == 1 for spans in found.values())
    (begun,) = found["Begin:Traced"]
    assert begun.parent is None
    trace_id, span_id = ids(begun)
    assert (trace_id, span_id) == ids_of(handle.first_execution_run_id or "")
    assert {ids(s)[0] for s in exporter.get_finished_spans()} == {trace_id}
    for name in ("RunWorkflow:Traced", "StartActivity:look", "CompleteWorkflow:Traced"):
        parent = found[name][0].parent
        assert parent is not None
        assert parent.span_id == span_id


def test_ids_given_to_one_span_are_not_given_to_the_next(exported: tuple[TracerProvider, InMemorySpanExporter]):
    provider, exporter = exported
    run = "0198f0a4-0000-7000-8000-0000000000ff"
    RootedTracing(provider.get_tracer("t"))._begun(run, "Begin:X", {}, 1)
    with provider.get_tracer("t").start_as_current_span("other"):
        pass
    first, other = exporter.get_finished_spans()
    assert ids(first) == ids_of(run)
    assert ids(other)[0] != ids(first)[0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", SESSION),
        (f"00-{'a' * 32}-{'c' * 16}-01", f"00-{'a' * 32}-{'c' * 16}-01"),
        (f"00-{'d' * 32}-{'c' * 16}-01", SESSION),
        ("nonsense", SESSION),
    ],
)
async def test_what_a_request_makes_us_ask_lies_in_the_sessions_trace_and_in_no_other(
    tmp_path: Path, given: str, expected: str
):
    seen: list[str] = []

    async def model(_: web.Request) -> web.StreamResponse:
        return web.json_response({})

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url) as room:
        door = await room.open(traceparent=SESSION)
        consider = room.broker.consider

        async def asked(*args: object) -> object:
            context = trace.get_current_span().get_span_context()
            seen.append(f"00-{context.trace_id:032x}-{context.span_id:016x}-01")
            return await consider(*args)  # pyright: ignore[reportArgumentType]

        room.broker.consider = asked  # pyright: ignore[reportAttributeAccessIssue]
        call = {
            "session_id": door.session,
            "hook_event_name": "PreToolUse",
            "tool_name": "mcp__tiercel__act",
            "tool_use_id": "toolu_1",
            "tool_input": {"kind": "restart", "target": "local/web", "reason": "hung"},
        }
        async with gateway.through(door) as client:
            headers = {"traceparent": given} if given else {}
            async with client.post("/gate", json=call, headers=headers) as answer:
                assert answer.status == 200
    assert seen == [expected]
