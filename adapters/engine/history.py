"""A workflow's history, read from Temporal page by page from its newest event on. A long one is never read whole."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC
from typing import TypeVar

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState, WorkflowExecutionStatus
from temporalio.api.history.v1 import HistoryEvent as Wire
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client

from adapters.engine.history_words import name, reference, spoken, words
from adapters.engine.updates import ClientSource, client_source, patiently
from domain.errors import FatalError
from domain.history import HistoryEvent, HistoryPage, PendingActivity, RunState
from policy.redaction import redactor
from policy.text import short

T = TypeVar("T")
EVENTS = 200  # on one page
_SEARCHED = 10  # reads of `_MANY` events that one page of failures looks through
_MANY = 1000
_NAMED = 2  # reads that look for what an event refers to
_TRACER = "_tracer-data"  # temporalio.contrib.opentelemetry's header
_redact = redactor()


class TemporalHistory:
    """Raises EngineUnavailableError where Temporal is away, WorkflowGoneError where it has no such history."""

    def __init__(self, client: Client | ClientSource, patience_s: float) -> None:
        self._client = client_source(client)
        self._patience_s = patience_s

    async def state(self, workflow: str, run: str) -> RunState:
        """How the run stands, and what it waits for."""
        described = await self._call(lambda: self._describe(workflow, run))
        return described.model_copy(update={"trace": await self._call(lambda: self._trace(workflow, run))})

    async def page(self, workflow: str, run: str, token: str = "", *, failed: bool = False) -> HistoryPage:
        """One page; `failed`: of failures only. Raises FatalError for a token that is none."""
        position, events = _decoded(token), list[Wire]()
        for _ in range(_SEARCHED if failed else 1):
            found, position = await self._read(workflow, run, position, _MANY if failed else EVENTS)
            events += found
            if not position or sum(1 for e in events if _is_failure(e)) >= EVENTS:
                break
        names = await self._names(workflow, run, events, position)
        told = [w for e in events if (w := words(e, names)) is not None and (w.failed or not failed)]
        return HistoryPage(
            events=tuple(told),
            next=base64.urlsafe_b64encode(position).decode().rstrip("=") if position else "",
            newest=events[0].event_id if events else 0,
            oldest=events[-1].event_id if events else 0,
        )

    async def _names(self, workflow: str, run: str, events: Sequence[Wire], position: bytes) -> dict[int, str]:
        """What the events of this page refer to; it lies just before them, where it does not lie among them."""
        names = {e.event_id: name(e) for e in events if name(e)}
        wanted = {ref for e in events if (ref := reference(e)) and words(e, {}) is not None} - names.keys()
        for _ in range(_NAMED):
            if not position or not wanted - names.keys():
                break
            older, position = await self._read(workflow, run, position, EVENTS)
            names |= {e.event_id: name(e) for e in older if name(e)}
        return names

    async def _read(self, workflow: str, run: str, position: bytes, many: int) -> tuple[list[Wire], bytes]:
        async def call() -> tuple[list[Wire], bytes]:
            client = await self._client()
            request = GetWorkflowExecutionHistoryReverseRequest(
                namespace=client.namespace,
                execution=WorkflowExecution(workflow_id=workflow, run_id=run),
                maximum_page_size=many,
                next_page_token=position,
            )
            answer = await client.workflow_service.get_workflow_execution_history_reverse(request)
            return list(answer.history.events), answer.next_page_token

        return await self._call(call)

    async def _describe(self, workflow: str, run: str) -> RunState:
        client = await self._client()
        execution = WorkflowExecution(workflow_id=workflow, run_id=run)
        request = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
        answer = await client.workflow_service.describe_workflow_execution(request)
        info = answer.workflow_execution_info
        return RunState(
            status=WorkflowExecutionStatus.Name(info.status).removeprefix("WORKFLOW_EXECUTION_STATUS_").lower(),
            started=info.start_time.ToDatetime(tzinfo=UTC),
            ended=info.close_time.ToDatetime(tzinfo=UTC) if info.HasField("close_time") else None,
            events=info.history_length,
            pending=tuple(
                PendingActivity(
                    name=spoken(a.activity_type.name),
                    attempt=a.attempt,
                    failure=short(_redact(a.last_failure.message), 300),
                    begun=a.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
                )
                for a in answer.pending_activities[:20]
            ),
        )

    async def _trace(self, workflow: str, run: str) -> str:
        client = await self._client()
        request = GetWorkflowExecutionHistoryRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=workflow, run_id=run),
            maximum_page_size=1,
        )
        events = (await client.workflow_service.get_workflow_execution_history(request)).history.events
        if not events:
            return ""
        payload = events[0].workflow_execution_started_event_attributes.header.fields.get(_TRACER)
        try:
            carrier: dict[str, str] = json.loads(payload.data) if payload else {}
            return carrier.get("traceparent", "").split("-")[1]
        except (ValueError, AttributeError, IndexError):
            return ""

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(call, self._patience_s)


def _is_failure(event: Wire) -> bool:
    told: HistoryEvent | None = words(event, {})
    return told is not None and told.failed


def _decoded(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as e:
        raise FatalError("this is not a position in a history; start from the newest events") from e
