"""Events of a history in plain words. What a person or a session said is shown by its sender, not by its content."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any, cast

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType as E
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent as Wire

from domain.history import HistoryEvent
from policy.redaction import redactor
from policy.text import short

Names = Mapping[int, str]  # what the event of an id began
_redact = redactor()
_LONGEST = 500
_TOLD = ("actor", "requested_by", "session", "service", "trigger", "kind", "target", "approve", "reason")


def reference(event: Wire) -> int:
    """The id of the event that began what this one tells of; 0 where it tells of itself."""
    attributes = _attributes(event)
    for field in ("scheduled_event_id", "started_event_id", "initiated_event_id", "accepted_event_id"):
        if field == "started_event_id" and not event.HasField("timer_fired_event_attributes"):
            continue
        if found := getattr(attributes, field, 0):
            return int(found)
    return 0


def name(event: Wire) -> str:
    """What this event begins: an activity, a child, an update. "" where it begins nothing."""
    match event.event_type:
        case E.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            return spoken(event.activity_task_scheduled_event_attributes.activity_type.name)
        case E.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
            return spoken(event.start_child_workflow_execution_initiated_event_attributes.workflow_type.name)
        case E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            return spoken(event.workflow_execution_update_accepted_event_attributes.accepted_request.input.name)
        case _:
            return ""


def words(event: Wire, names: Names) -> HistoryEvent | None:
    """The event for people; None for what only the engine needs."""
    told = _ACTIVITY.get(event.event_type) or _OTHERS.get(event.event_type)
    if told is None:
        return None
    kind, text = told
    subject = name(event) or names.get(reference(event), "something begun earlier")
    at = event.event_time.ToDatetime(tzinfo=UTC)
    failure = _failure(event)
    if failure and event.event_type == E.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        text = "{} began again after a failure"
    detail = "; ".join(part for part in (_who(event), _attempt(event), failure) if part)
    return HistoryEvent(
        id=event.event_id,
        at=at,
        kind=kind,
        text=text.replace("{}", subject if "{}" in text else "") if "{}" in text else _own_words(event, text),
        detail=short(_redact(detail), _LONGEST),
        failed=event.event_type in _FAILED or bool(failure and event.event_type in _MAYBE),
    )


_ACTIVITY = {
    E.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: ("activity", "{} was asked for"),
    E.EVENT_TYPE_ACTIVITY_TASK_STARTED: ("activity", "{} began"),
    E.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: ("activity", "{} finished"),
    E.EVENT_TYPE_ACTIVITY_TASK_FAILED: ("activity", "{} failed"),
    E.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: ("activity", "{} took too long"),
    E.EVENT_TYPE_ACTIVITY_TASK_CANCELED: ("activity", "{} was stopped"),
}
_OTHERS = {
    E.EVENT_TYPE_TIMER_STARTED: ("timer", "waits"),
    E.EVENT_TYPE_TIMER_FIRED: ("timer", "a wait is over"),
    E.EVENT_TYPE_TIMER_CANCELED: ("timer", "a wait was cut short"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: ("message", "was told"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: ("message", "{} was asked of it"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: ("message", "{} was answered"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_REJECTED: ("message", "a question was refused"),
    E.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: ("child", "{} was started"),
    E.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: ("child", "{} could not be started"),
    E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: ("child", "{} finished"),
    E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: ("child", "{} failed"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: ("workflow", "The workflow began"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: ("workflow", "The workflow ended"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: ("workflow", "The workflow failed"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: ("workflow", "The workflow took too long"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: ("workflow", "Somebody asked to stop the workflow"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: ("workflow", "The workflow was stopped"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: ("workflow", "The workflow was ended at once"),
    E.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: ("workflow", "The workflow goes on in a fresh run"),
    E.EVENT_TYPE_WORKFLOW_TASK_FAILED: ("workflow", "A step of the workflow failed"),
    E.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: ("workflow", "No worker answered for a step"),
}
_FAILED = frozenset(
    {
        E.EVENT_TYPE_ACTIVITY_TASK_FAILED,
        E.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
        E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_REJECTED,
        E.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED,
        E.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED,
        E.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        E.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        E.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        E.EVENT_TYPE_WORKFLOW_TASK_FAILED,
        E.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
    }
)
# An attempt that began after another one failed, and an update whose answer is a fault.
_MAYBE = frozenset({E.EVENT_TYPE_ACTIVITY_TASK_STARTED, E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED})


def spoken(text: str) -> str:
    """A name in code as words: `open_incident` is `open incident`, `NoticeWorkflow` is `Notice`."""
    return text.removesuffix("Workflow").replace("_", " ")


def _own_words(event: Wire, text: str) -> str:
    if event.event_type == E.EVENT_TYPE_TIMER_STARTED:
        seconds = event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta().total_seconds()
        return f"{text} for {seconds:g} s"
    if event.event_type == E.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
        return f"{text}: {spoken(event.workflow_execution_signaled_event_attributes.signal_name)}"
    return text


def _attributes(event: Wire) -> Any:
    chosen = event.WhichOneof("attributes")
    return getattr(event, chosen) if chosen else None


def _attempt(event: Wire) -> str:
    if event.event_type != E.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        return ""
    attempt = event.activity_task_started_event_attributes.attempt
    return f"attempt {attempt}" if attempt > 1 else ""


def _failure(event: Wire) -> str:
    attributes = _attributes(event)
    if event.event_type == E.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        return _message(attributes.last_failure)
    if event.event_type == E.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
        return _message(attributes.outcome.failure)
    failure = getattr(attributes, "failure", None)
    text = _message(failure) if isinstance(failure, Failure) else ""
    return text or (str(attributes.reason) if event.HasField("workflow_execution_terminated_event_attributes") else "")


def _message(failure: Failure) -> str:
    """The innermost reason: the outer ones only say that something failed."""
    while failure.HasField("cause"):
        failure = failure.cause
    return failure.message


def _who(event: Wire) -> str:
    found = _said(_payloads(event))
    return ", ".join(f"{k.replace('_', ' ')} {v}" for k in _TOLD if (v := found.get(k)) not in {None, ""})


def _payloads(event: Wire) -> Iterable[Payload]:
    if event.HasField("workflow_execution_signaled_event_attributes"):
        return event.workflow_execution_signaled_event_attributes.input.payloads
    if event.HasField("workflow_execution_update_accepted_event_attributes"):
        return event.workflow_execution_update_accepted_event_attributes.accepted_request.input.args.payloads
    return ()


def _said(payloads: Iterable[Payload]) -> dict[str, str | bool]:
    """The plain fields of the first argument."""
    for payload in payloads:
        if payload.metadata.get("encoding") == b"json/plain" and len(payload.data) < 1 << 16:
            try:
                value = json.loads(payload.data)
            except ValueError:
                return {}
            if isinstance(value, dict):
                fields = cast("dict[str, Any]", value)
                return {k: v for k, v in fields.items() if isinstance(v, str | bool)}
    return {}
