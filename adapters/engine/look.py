"""Whether the engine and its worker work: asked for a person who waits."""

from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta
from typing import TypeVar

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetSystemInfoRequest,
)
from temporalio.client import Client, WorkflowFailureError

from adapters.engine.updates import ClientSource, client_source, patiently
from domain.engine import EXAMINATION, TASK_QUEUE_CONTROL, TASK_QUEUE_SESSIONS
from domain.errors import EngineUnavailableError
from domain.examination import Examination, ExaminationOrder, Finding
from domain.ports import Clock

T = TypeVar("T")
PATIENCE_S = 8.0
_WORKER_S = 55.0
_ASKED_LATELY = timedelta(seconds=75)
_NO_WORKER = "start the worker, or look at why it does not run: `tiercel doctor`"


class EngineLook:
    """Asks Temporal about itself, and the worker through it. Raises EngineUnavailableError where Temporal is away."""

    def __init__(self, client: Client | ClientSource, clock: Clock) -> None:
        self._client = client_source(client)
        self._now = clock.now

    async def engine(self) -> Examination:
        """Version, how long histories are kept, and whether a worker takes work."""
        version, days = await self._ask(self._version), await self._ask(self.retention_days)
        polling = await self._ask(self._polled)
        keeps = f"histories are kept for {days:g} days" if days else "the time that histories are kept is not told"
        found = [Finding(name="Temporal", level="ok", cause=f"version {version} answers; {keeps}")]
        if polling:
            found.append(Finding(name="worker", level="ok", cause="takes work"))
        else:
            found.append(Finding(name="worker", level="fail", cause="none takes work", fix=_NO_WORKER))
        return Examination(findings=tuple(found))

    async def worker(self, order: ExaminationOrder) -> Examination:
        """What the worker finds when it tries a part."""
        if not await self._ask(self._polled):
            return _one("fail", "no worker runs that could try this", _NO_WORKER)
        return await self.started(order)

    async def started(self, order: ExaminationOrder) -> Examination:
        """As `worker`, without asking first whether there is one."""
        client = await self._client()
        try:
            return await client.execute_workflow(
                EXAMINATION,
                order,
                id=f"examination/{order.key}",
                task_queue=TASK_QUEUE_CONTROL,
                result_type=Examination,
                execution_timeout=timedelta(seconds=_WORKER_S),
                static_summary=f"test {order.part}",
            )
        except WorkflowFailureError as e:
            return _one("fail", f"the worker gave no answer ({e.cause})", _NO_WORKER)

    async def retention_days(self) -> float:
        """How long the histories of ended workflows are kept; 0 where it is not told."""
        client = await self._client()
        answer = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
        return answer.config.workflow_execution_retention_ttl.ToTimedelta() / timedelta(days=1)

    async def queued_sessions(self) -> int:
        """Processes of sessions that wait for a free place."""

        async def call() -> int:
            client = await self._client()
            request = DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=TASK_QUEUE_SESSIONS),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
                report_stats=True,
            )
            answer = await client.workflow_service.describe_task_queue(request)
            return int(answer.stats.approximate_backlog_count)

        return await self._ask(call)

    async def _version(self) -> str:
        client = await self._client()
        return (await client.workflow_service.get_system_info(GetSystemInfoRequest())).server_version or "unknown"

    async def _polled(self) -> bool:
        client = await self._client()
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE_CONTROL),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        pollers = (await client.workflow_service.describe_task_queue(request)).pollers
        # Temporal lists a worker for minutes after its end; one that lives asks again at least every minute.
        return any(self._now() - p.last_access_time.ToDatetime(tzinfo=UTC) < _ASKED_LATELY for p in pollers)

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        return await patiently(call, PATIENCE_S)


def away(error: EngineUnavailableError) -> Examination:
    """Temporal's absence as a finding."""
    return _one("fail", str(error), "start Temporal, or look at why it stopped: `tiercel doctor`")


def _one(level: str, cause: str, fix: str) -> Examination:
    return Examination(
        findings=(Finding.model_validate({"name": "worker", "level": level, "cause": cause, "fix": fix}),)
    )
