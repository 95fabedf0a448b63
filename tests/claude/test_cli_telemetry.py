"""The real CLI's spans join the trace of whoever started it, and its model requests carry it on."""

from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from demo.model import Scenario
from domain.session import SessionStatus
from tests.support.claude_cli import GOOD_REPORT, bench

pytestmark = pytest.mark.cli

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SCENARIO = Scenario.model_validate(
    {"rules": [{"name": "a", "steps": [{"use": {"tool": "probe"}}, {"report": GOOD_REPORT}]}]}
)


async def test_spans_of_a_session_hang_below_the_given_parent(tmp_path: Path):
    async with bench(tmp_path, SCENARIO) as b:
        plan = b.plan(
            otel=True, traceparent=f"00-{TRACE}-{SPAN}-01", resource_attributes={"tiercel.incident": "inc 1, second=x"}
        )
        ended = await b.run(plan)
        headers = {r.traceparent.split("-")[1] for r in b.model.requests}
    assert ended.verdict.status is SessionStatus.COMPLETED
    assert headers == {TRACE}
    exports = [ExportTraceServiceRequest.FromString(body) for body in b.door.spans]
    resources = [r for e in exports for r in e.resource_spans]
    spans = [s for r in resources for scope in r.scope_spans for s in scope.spans]
    assert {s.trace_id.hex() for s in spans} == {TRACE}
    roots = [s for s in spans if s.parent_span_id.hex() == SPAN]
    assert [s.name for s in roots] == ["claude_code.interaction"]
    assert {"claude_code.llm_request", "claude_code.tool"} <= {s.name for s in spans}
    attributes = {a.key: a.value.string_value for a in resources[0].resource.attributes}
    assert attributes["tiercel.incident"] == "inc 1, second=x"
    assert attributes["session.id"] == plan.session


async def test_without_telemetry_nothing_is_sent(tmp_path: Path):
    async with bench(tmp_path, SCENARIO) as b:
        await b.run(b.plan(traceparent=f"00-{TRACE}-{SPAN}-01"))
        assert {r.traceparent for r in b.model.requests} == {""}
    assert b.door.spans == []
