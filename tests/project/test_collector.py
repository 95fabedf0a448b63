"""The collector of the tests itself: what it says about a trace must be what was sent."""

import gzip
import urllib.error
import urllib.request

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.otlp import Collector

TRACE = bytes(range(16))


def request(*spans: tuple[str, int, int]) -> bytes:
    """(name, id, parent id); parent 0 is none."""
    message = ExportTraceServiceRequest()
    group = message.resource_spans.add()
    pair = group.resource.attributes.add(key="service.name")
    pair.value.string_value = "tiercel-worker"
    scope = group.scope_spans.add()
    for start, (name, own, parent) in enumerate(spans):
        span = scope.spans.add(name=name, trace_id=TRACE, span_id=own.to_bytes(8, "big"), start_time_unix_nano=start)
        if parent:
            span.parent_span_id = parent.to_bytes(8, "big")
    return message.SerializeToString()


def post(address: str, body: bytes, encoding: str = "") -> int:
    headers = {"Content-Type": "application/x-protobuf"} | ({"Content-Encoding": encoding} if encoding else {})
    call = urllib.request.Request(address, data=body, headers=headers)
    with urllib.request.urlopen(call, timeout=5) as answer:
        return answer.status


def test_it_gives_the_tree_of_a_trace_whatever_the_order_of_arrival() -> None:
    with Collector() as collector:
        assert post(f"{collector.endpoint}/v1/traces", request(("probe", 3, 2), ("other", 4, 1))) == 200
        assert post(f"{collector.endpoint}/v1/traces", gzip.compress(request(("root", 1, 0), ("sweep", 2, 1))), "gzip")
        probe = collector.wait_for("root", "probe")[0]
        tree = collector.tree(probe.trace_id)
        assert tree == [
            [
                "tiercel-worker/root",
                [["tiercel-worker/other", []], ["tiercel-worker/sweep", [["tiercel-worker/probe", []]]]],
            ]
        ]
        steps = collector.path(collector.named("probe")[0])
        assert [step.split("/")[1] for step in steps] == ["root", "sweep", "probe"]


def test_it_shows_a_span_whose_parent_never_came() -> None:
    with Collector() as collector:
        post(f"{collector.endpoint}/v1/traces", request(("lost", 9, 8)))
        assert collector.tree(TRACE.hex()) == [["tiercel-worker/lost", []]]


def test_it_keeps_logs_and_metrics_for_a_look_at_their_bytes() -> None:
    with Collector() as collector:
        post(f"{collector.endpoint}/v1/logs", b"a line with sk-something in it")
        assert collector.holds("sk-something")
        assert not collector.holds("sk-another")


def test_it_refuses_an_unknown_signal() -> None:
    with Collector() as collector, pytest.raises(urllib.error.HTTPError, match="404"):
        post(f"{collector.endpoint}/v1/profiles", b"")


def test_it_says_what_arrived_when_a_span_is_missing() -> None:
    with Collector() as collector:
        post(f"{collector.endpoint}/v1/traces", request(("root", 1, 0)))
        with pytest.raises(AssertionError, match="root"):
            collector.wait_for("never", seconds=0.1)
