"""What may leave in a span: names that are on the list, short, redacted. No prompt, no output, no header, no query.

A collector is often somebody else's machine. So the rule is a list of what is allowed; whatever a library adds
tomorrow stays here until somebody puts its name below.
"""

from collections.abc import Callable, Mapping, Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status
from opentelemetry.util.types import AttributeValue

from policy.redaction import redactor

Redact = Callable[[str], str]
MAX_CHARS = 300
MAX_STACK_CHARS = 4000
PREFIXES = ("tiercel.", "temporal", "gen_ai.usage.", "messaging.", "server.", "network.", "fastapi.")
NAMES = frozenset(
    {
        "db.namespace", "db.operation.name", "db.system", "db.system.name",
        "error.type", "exception.escaped", "exception.message", "exception.stacktrace", "exception.type",
        "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.max_tokens", "gen_ai.request.model",
        "gen_ai.response.finish_reasons", "gen_ai.response.id", "gen_ai.response.model",
        "http.method", "http.request.method", "http.response.status_code", "http.route", "http.status_code",
        "url.path", "url.scheme",
    }
)  # fmt: skip

_plain = redactor()


class SafeExporter(SpanExporter):
    """Sends copies that hold only what is allowed. The originals stay as they are for whoever looks in the process."""

    def __init__(self, inner: SpanExporter, redact: Redact = _plain) -> None:
        self._inner = inner
        self._redact = redact

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._inner.export([safe(span, self._redact) for span in spans])

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)


def safe(span: ReadableSpan, redact: Redact = _plain) -> ReadableSpan:
    """The same span with nothing in it that the policy does not allow."""
    status = Status(span.status.status_code, _text(span.status.description or "", MAX_CHARS, redact) or None)
    return ReadableSpan(
        name=_text(span.name, MAX_CHARS, redact),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=allowed(span.attributes, redact),
        events=[Event(event.name, allowed(event.attributes, redact), event.timestamp) for event in span.events],
        links=[Link(link.context, allowed(link.attributes, redact)) for link in span.links],
        kind=span.kind,
        status=status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def allowed(attributes: Mapping[str, AttributeValue] | None, redact: Redact = _plain) -> dict[str, AttributeValue]:
    """The attributes that may leave, redacted and cut."""
    return {
        name: _value(name, value, redact)
        for name, value in (attributes or {}).items()
        if name in NAMES or name.startswith(PREFIXES)
    }


def _value(name: str, value: AttributeValue, redact: Redact) -> AttributeValue:
    limit = MAX_STACK_CHARS if name == "exception.stacktrace" else MAX_CHARS
    if isinstance(value, str):
        return _text(value, limit, redact)
    if isinstance(value, Sequence) and not isinstance(value, bytes) and all(isinstance(part, str) for part in value):
        return [_text(str(part), limit, redact) for part in value]
    return value


def _text(text: str, limit: int, redact: Redact) -> str:
    """Redacted first and cut then: half a secret is still one."""
    clean = redact(text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
