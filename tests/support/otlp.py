"""An OTLP/HTTP collector inside the test process: what was sent, decoded, as a tree.

with Collector() as collector:
    ...  # with environment {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    spans = collector.wait_for("model request", "RunActivity:run_session")
    assert collector.tree(spans[0].trace_id) == ...
"""

import gzip
import threading
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
STATUSES = {0: "unset", 1: "ok", 2: "error"}


@dataclass(frozen=True)
class Span:
    """One received span. Ids are hexadecimal; `parent_id` is "" for a root."""

    name: str
    service: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    status: str
    message: str
    attributes: dict[str, Any]
    events: tuple[tuple[str, dict[str, Any]], ...]
    resource: dict[str, Any]
    start_ns: int
    end_ns: int


@dataclass
class Collector:
    """Receives on a loopback port of its own. Traces are decoded; logs and metrics are kept as bytes."""

    endpoint: str = ""
    bodies: dict[str, list[bytes]] = field(default_factory=lambda: {"traces": [], "logs": [], "metrics": []})
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def spans(self) -> list[Span]:
        """All spans received so far, oldest first."""
        return sorted((span for body in list(self.bodies["traces"]) for span in _decoded(body)), key=_by_start)

    def wait_for(self, *names: str, seconds: float = 15) -> list[Span]:
        """The spans once at least one of each name has arrived. Asserts that they do."""
        deadline = time.monotonic() + seconds
        while missing := set(names) - {span.name for span in self.spans}:
            have = sorted(Counter(span.name for span in self.spans).items())
            assert time.monotonic() < deadline, f"no span {sorted(missing)}; received: {have}"
            time.sleep(0.05)
        return self.spans

    def named(self, name: str) -> list[Span]:
        """The spans of one name."""
        return [span for span in self.spans if span.name == name]

    def tree(self, trace_id: str) -> list[Any]:
        """One trace as nested lists: [service/name, [child, ...]], children by start. Orphans stand at the top."""
        spans = [span for span in self.spans if span.trace_id == trace_id]
        ids = {span.span_id for span in spans}

        def below(parent: str) -> list[Any]:
            return [[f"{span.service}/{span.name}", below(span.span_id)] for span in spans if span.parent_id == parent]

        orphans = sorted({span.parent_id for span in spans} - ids - {""})
        return below("") + [node for orphan in orphans for node in below(orphan)]

    def path(self, span: Span) -> list[str]:
        """The names from the root down to this span, as service/name."""
        by_id = {one.span_id: one for one in self.spans if one.trace_id == span.trace_id}
        names: list[str] = []
        current: Span | None = span
        while current is not None:
            names.insert(0, f"{current.service}/{current.name}")
            current = by_id.get(current.parent_id)
        return names

    def holds(self, text: str) -> bool:
        """Whether a text stands anywhere in what was received: traces, logs, metrics, headers."""
        raw = text.encode()
        everything = [body for bodies in self.bodies.values() for body in bodies]
        return any(raw in body for body in everything) or any(text in str(header) for header in self.headers)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, collector: Collector) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.collector = collector


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        encoding = self.headers.get("Content-Encoding", "")
        if encoding == "gzip":
            body = gzip.decompress(body)
        elif encoding == "deflate":
            body = zlib.decompress(body)
        signal = self.path.rsplit("/", 1)[-1]
        assert isinstance(self.server, _Server)
        collector = self.server.collector
        known = signal in collector.bodies
        if known:
            collector.headers.append(dict(self.headers.items()))
            collector.bodies[signal].append(body)
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", self.headers.get("Content-Type", "application/x-protobuf"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Silent: the test asserts on what was received."""


def _decoded(body: bytes) -> list[Span]:
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    return [
        _span(wire, _attributes(group.resource.attributes))
        for group in request.resource_spans
        for scope in group.scope_spans
        for wire in scope.spans
    ]


def _span(wire: WireSpan, resource: dict[str, Any]) -> Span:
    return Span(
        name=wire.name,
        service=str(resource.get("service.name", "")),
        trace_id=wire.trace_id.hex(),
        span_id=wire.span_id.hex(),
        parent_id=wire.parent_span_id.hex(),
        kind=KINDS.get(wire.kind, "unknown"),
        status=STATUSES.get(wire.status.code, "unknown"),
        message=wire.status.message,
        attributes=_attributes(wire.attributes),
        events=tuple((event.name, _attributes(event.attributes)) for event in wire.events),
        resource=resource,
        start_ns=wire.start_time_unix_nano,
        end_ns=wire.end_time_unix_nano,
    )


def _by_start(span: Span) -> tuple[int, int]:
    return span.start_ns, -span.end_ns


def _attributes(pairs: Any) -> dict[str, Any]:
    found: list[KeyValue] = list(pairs)
    return {pair.key: _plain(pair.value) for pair in found}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
