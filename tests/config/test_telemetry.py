"""Telemetry of one process: silent without an address, one trace over processes with it, and nothing secret in it."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from config import telemetry
from config.telemetry_policy import MAX_CHARS, SafeExporter, allowed
from domain.errors import ConfigurationError
from tests.support.otlp import Collector

KEY = "sk-ant-api03-" + "A1b2C3d4" * 6


@pytest.fixture
def exported() -> Iterator[tuple[trace.Tracer, InMemorySpanExporter]]:
    """A tracer whose spans go through the policy into memory."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(SafeExporter(memory)))
    yield provider.get_tracer("test"), memory
    provider.shutdown()


def run(code: str, **environment: str) -> str:
    """Run code in a process of its own: the tracer provider is one per process."""
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_an_address_nothing_is_made_and_the_sdk_is_not_even_imported() -> None:
    said = run(
        "import sys\n"
        "from config import telemetry\n"
        "started = telemetry.start('worker')\n"
        "with telemetry.span('x'):\n"
        "    print(repr(telemetry.current_traceparent()), 'opentelemetry.sdk' in sys.modules)\n"
        "started.flush(); started.stop()\n"
    )
    assert said == "'' False"


def test_one_trace_runs_through_two_processes() -> None:
    code = (
        "import sys\n"
        "from config import telemetry\n"
        "started = telemetry.start(sys.argv[1] if len(sys.argv) > 1 else '{process}')\n"
        "with telemetry.attached('{parent}'), telemetry.span('{span}', {{'tiercel.tier': 2}}):\n"
        "    print(telemetry.current_traceparent())\n"
        "started.stop()\n"
    )
    with Collector() as collector:
        address = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        parent = run(code.format(process="worker", parent="", span="open the door"), **address)
        run(code.format(process="gateway", parent=parent, span="model request"), **address)
        collector.wait_for("open the door", "model request")
        inner = collector.named("model request")[0]
        assert collector.path(inner) == ["tiercel-worker/open the door", "tiercel-gateway/model request"]
        assert inner.attributes == {"tiercel.tier": 2}


def test_a_collector_that_is_down_costs_no_error_and_little_time() -> None:
    code = (
        "import time\n"
        "from config import telemetry\n"
        "started = telemetry.start('web')\n"
        "with telemetry.span('x'):\n    pass\n"
        "started.stop()\n"
        "print('ended')\n"
    )
    assert run(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_TIMEOUT="1") == "ended"


def test_a_broken_traceparent_changes_nothing() -> None:
    with telemetry.attached("rubbish"):
        assert telemetry.current_traceparent() == ""


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4317"}, "http://host:4318"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "'soon'"),
    ],
)
def test_it_refuses_what_it_does_not_speak(environment: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        telemetry.start("worker", environment)


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_it_can_be_switched_off_by_the_standard_variables(off: dict[str, str]) -> None:
    assert telemetry.start("worker", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", **off}).provider is None


def test_a_prompt_a_header_and_a_query_stay_in_the_process(
    exported: tuple[trace.Tracer, InMemorySpanExporter],
) -> None:
    tracer, memory = exported
    attributes: dict[str, Any] = {
        "tiercel.session": "s1", "http.route": "/runs/{id}", "gen_ai.usage.input_tokens": 12,
        "gen_ai.prompt": "be kind", "http.request.header.authorization": "Bearer x", "url.query": "token=1",
        "db.statement": "select 1", "process.command_line": "claude -p",
    }  # fmt: skip
    with tracer.start_as_current_span("GET /runs", attributes=attributes) as span:
        span.add_event("chat", {"gen_ai.completion": "hello", "tiercel.seq": 3})
    (sent,) = memory.get_finished_spans()
    assert dict(sent.attributes or {}) == {
        "tiercel.session": "s1", "http.route": "/runs/{id}", "gen_ai.usage.input_tokens": 12,
    }  # fmt: skip
    assert dict(sent.events[0].attributes or {}) == {"tiercel.seq": 3}


def test_a_key_in_an_error_is_masked_everywhere(exported: tuple[trace.Tracer, InMemorySpanExporter]) -> None:
    tracer, memory = exported
    with pytest.raises(ValueError, match="refused"), tracer.start_as_current_span(f"call {KEY}"):
        raise ValueError(f"refused {KEY}")
    (sent,) = memory.get_finished_spans()
    assert sent.status.description is not None
    assert "ValueError" in sent.status.description
    assert KEY not in sent.to_json()
    assert "[redacted]" in sent.to_json()


def test_ids_parents_and_times_are_kept(exported: tuple[trace.Tracer, InMemorySpanExporter]) -> None:
    tracer, memory = exported
    with tracer.start_as_current_span("outer", kind=trace.SpanKind.SERVER), tracer.start_as_current_span("inner"):
        pass
    inner, outer = memory.get_finished_spans()
    assert inner.parent == outer.context
    assert outer.kind is trace.SpanKind.SERVER
    assert outer.start_time is not None
    assert outer.end_time is not None
    assert outer.end_time >= outer.start_time > 0


def test_a_long_value_is_cut_after_it_was_redacted() -> None:
    text = "x" * (MAX_CHARS - 20) + KEY
    value = allowed({"tiercel.note": text, "tiercel.notes": (text, "short"), "tiercel.n": (1, 2)})
    assert "sk-ant" not in str(value)
    assert len(str(value["tiercel.note"])) <= MAX_CHARS
    assert value["tiercel.n"] == (1, 2)


def test_an_unknown_name_does_not_leave() -> None:
    assert allowed({f"vendor.{uuid.uuid4().hex}": 1}) == {}
