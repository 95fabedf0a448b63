"""The trace that a session works in: one span per model request, and everything that a request makes us ask."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gateway.session import SESSION, Session

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACE_ID = slice(3, 35)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def in_trace(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What the handler does (an update of the escalation, a query) belongs to the session's trace."""
    token = otel_context.attach(_parent(request.config_dict[SESSION], request.headers))
    try:
        return await handler(request)
    finally:
        otel_context.detach(token)


def _parent(session: Session, headers: Mapping[str, str]) -> otel_context.Context:
    """The request's own `traceparent` where it lies in the session's trace; a session cannot write into another one."""
    ours, given = session.door.traceparent, headers.get("traceparent", "")
    parent = given if ours and given[_TRACE_ID] == ours[_TRACE_ID] else ours
    return _PROPAGATOR.extract({"traceparent": parent} if parent else {}, otel_context.Context())


@contextmanager
def model_span(session: Session, headers: Mapping[str, str], model: str) -> Iterator[Span]:
    """Child of the request's `traceparent`; without one, of the span in which the session was started."""
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
        "model request", context=_parent(session, headers), kind=SpanKind.CLIENT, attributes=attributes
    ) as span:
        yield span


def tracer() -> trace.Tracer:
    """The process' tracer; it does nothing until telemetry is set up."""
    return trace.get_tracer("tiercel.gateway")
