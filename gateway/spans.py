"""One span per model request, below the span that the session carries."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.session import Session

_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def model_span(session: Session, headers: Mapping[str, str], model: str) -> Iterator[Span]:
    """Child of the request's `traceparent`; without one, of the trace in which the session was started."""
    parent = headers.get("traceparent", "") or session.door.traceparent
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    door = session.door
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": model,
        "tiercel.session": door.session,
        "tiercel.incident": door.incident,
        "tiercel.tier": door.tier,
        "tiercel.scripted": session.behind.upstream.scripted or door.scripted,
    }
    with session.behind.tracer.start_as_current_span(
        "model request", context=context, kind=SpanKind.CLIENT, attributes=attributes
    ) as span:
        yield span


def tracer() -> trace.Tracer:
    """The process' tracer; it does nothing until telemetry is set up."""
    return trace.get_tracer("tiercel.gateway")
