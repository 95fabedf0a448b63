"""A session's own telemetry without secrets: decoded, every text redacted, encoded again."""

import json
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from policy.redaction import MASK, redacted

Redact = Callable[[str], str]
_SHAPES: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
SIGNALS = frozenset(_SHAPES)


def filtered(signal: str, content_type: str, body: bytes, redact: Redact) -> bytes | None:
    """The body as it may leave; None where it is not what it says it is."""
    try:
        if content_type == "application/json":
            return json.dumps(redacted(json.loads(body), redact)).encode()
        message = _SHAPES[signal].FromString(body)
    except (ValueError, DecodeError, RecursionError):
        return None
    _clean(message, redact)
    return message.SerializeToString()


def _clean(message: Message, redact: Redact) -> None:
    message.DiscardUnknownFields()  # nobody knows what would be in them
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for part in value if field.is_repeated else (value,):
                _clean(part, redact)
        elif field.type == FieldDescriptor.TYPE_STRING:
            _set(message, field, value, redact)
        elif field.type == FieldDescriptor.TYPE_BYTES and field.name == "bytes_value":
            text = bytes(value).decode("utf-8", "replace")
            if redact(text) != text:
                setattr(message, field.name, MASK.encode())


def _set(message: Any, field: FieldDescriptor, value: Any, redact: Redact) -> None:
    if field.is_repeated:
        value[:] = [redact(text) for text in value]
    else:
        setattr(message, field.name, redact(value))
