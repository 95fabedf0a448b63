"""Traces, sent where OTEL_EXPORTER_OTLP_ENDPOINT says. Not set: nothing is made, nothing is sent, nothing is paid.

Each process calls `start("worker")` once, keeps what it gets, and calls `stop()` at its end. Between the two,
`opentelemetry.trace.get_tracer(...)` works everywhere and `config.temporal.connect` traces. A span leaves the
process only with what `config.telemetry_policy` lets through.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from domain.errors import ConfigurationError

if TYPE_CHECKING:  # the SDK takes a third of a second to import; without an endpoint nobody pays that
    from opentelemetry.sdk.trace import TracerProvider

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
VARIABLES = {
    ENDPOINT: "Address of an OTLP/HTTP collector, for example http://127.0.0.1:4318; empty: no telemetry",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "Full address for traces, where it differs",
    "OTEL_EXPORTER_OTLP_HEADERS": "Headers for the collector, name=value, comma separated",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "Only http/protobuf",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "Seconds to wait for the collector, default 3",
    "OTEL_RESOURCE_ATTRIBUTES": "More attributes of every span, name=value, comma separated",
    "OTEL_SDK_DISABLED": "`true`: no telemetry, whatever else is set",
}
PROTOCOL = "http/protobuf"
EXPORT_TIMEOUT_S = 3.0  # a collector that swallows requests must not hold up the end of a process
FLUSH_EVERY_MS = 1000

_PROPAGATOR = TraceContextTextMapPropagator()


class Telemetry:
    """The telemetry of this process. Without an endpoint every method does nothing."""

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self.provider = provider

    def flush(self) -> None:
        """Send what is waiting."""
        if self.provider:
            self.provider.force_flush(int(EXPORT_TIMEOUT_S * 1000))

    def stop(self) -> None:
        """Send what is waiting and end. To be called once, at the end of the process."""
        if self.provider:
            self.provider.shutdown()


def start(process: str, environ: Mapping[str, str] | None = None, secrets: Iterable[str] = ()) -> Telemetry:
    """Set up telemetry for one process: `worker`, `gateway`, `web`, `cli`. Its service.name is `tiercel-<process>`.

    Raises ConfigurationError where the environment asks for something that is not offered.
    """
    env = os.environ if environ is None else environ
    endpoint = endpoint_of(env)
    if not endpoint:
        return Telemetry()
    provider = _provider(process, endpoint, _timeout(env), secrets)
    trace.set_tracer_provider(provider)
    return Telemetry(provider)


def current_traceparent() -> str:
    """The W3C traceparent of the current span, to be carried into another process. "" outside any span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent", "")


@contextmanager
def attached(traceparent: str) -> Iterator[None]:
    """Spans that start inside are children of the carried one. An empty or broken value changes nothing."""
    if not traceparent:
        yield
        return
    token = context.attach(_PROPAGATOR.extract({"traceparent": traceparent}))
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def span(name: str, attributes: Mapping[str, str | int | float | bool] | None = None) -> Iterator[trace.Span]:
    """A span of our own. Its attributes need the prefix `tiercel.`, or the policy drops them."""
    with trace.get_tracer("tiercel").start_as_current_span(name, attributes=attributes) as current:
        yield current


def _provider(process: str, endpoint: str, timeout_s: float, secrets: Iterable[str]) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from config.telemetry_policy import SafeExporter
    from config.tracing import id_generator
    from policy.redaction import redactor

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"tiercel-{process}"}), id_generator=id_generator()
    )
    exporter = SafeExporter(OTLPSpanExporter(endpoint=endpoint, timeout=timeout_s), redactor(secrets))
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=FLUSH_EVERY_MS))
    # A collector that is down is told once per batch, not once per attempt.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    return provider


def endpoint_of(env: Mapping[str, str]) -> str:
    """Where traces are sent, "" for nowhere. Raises ConfigurationError for what is not offered."""
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER", "otlp") == "none":
        return ""
    own, base = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ""), env.get(ENDPOINT, "")
    endpoint = own or (f"{base.rstrip('/')}/v1/traces" if base else "")
    if not endpoint:
        return ""
    if urlsplit(endpoint).scheme not in {"http", "https"}:
        raise ConfigurationError(f"{ENDPOINT}: {endpoint} is no HTTP address; write http://host:4318")
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if env.get(name, PROTOCOL) != PROTOCOL:
            raise ConfigurationError(f"{name}: only {PROTOCOL} is spoken; remove it and use the collector's port 4318")
    return endpoint


def headers_of(env: Mapping[str, str]) -> dict[str, str]:
    """The headers for the collector. They may be secret."""
    text = env.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or env.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}


def _timeout(env: Mapping[str, str]) -> float:
    value = env.get("OTEL_EXPORTER_OTLP_TIMEOUT", "")
    try:
        return float(value) if value else EXPORT_TIMEOUT_S
    except ValueError as e:
        raise ConfigurationError(f"OTEL_EXPORTER_OTLP_TIMEOUT: {value!r} is no number of seconds") from e
