"""Traces through Temporal that have a beginning also where no client of ours began them: at a schedule.

A workflow that a schedule starts carries no trace, so each of its activities would begin one of its own. Here such a
run gets a root span whose ids are those of the run: after a restart of the worker the replay computes the same ids, so
what comes later still belongs to the same trace.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry.trace import SpanKind
from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.contrib.opentelemetry import TracingInterceptor, TracingWorkflowInboundInterceptor
from temporalio.worker import ExecuteWorkflowInput, WorkflowInterceptorClassInput

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.id_generator import IdGenerator

_BEGUN = "__tiercel_trace_begun"
_SCHEDULED_BY = SearchAttributeKey.for_keyword("TemporalScheduledById")
_next_ids: ContextVar[tuple[int, int] | None] = ContextVar("next_ids", default=None)


def id_generator() -> "IdGenerator":
    """Random ids, except for the span that `_with_ids` surrounds."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            given = _next_ids.get()
            return given[0] if given else super().generate_trace_id()

        def generate_span_id(self) -> int:
            given = _next_ids.get()
            return given[1] if given else super().generate_span_id()

    return Ids()


class RootedTracing(TracingInterceptor):
    """The SDK's tracing, with a root for every run that has none. Needs the tracer provider to use `id_generator`."""

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type["RootedWorkflow"]:  # noqa: A002 - the base class's name
        """Our interceptor in workflows, and the way out of the sandbox that it needs."""
        super().workflow_interceptor_class(input)
        input.unsafe_extern_functions.update({_BEGUN: self._begun})
        return RootedWorkflow

    def _begun(self, run_id: str, name: str, attributes: dict[str, str], time_ns: int) -> None:
        with _with_ids(ids_of(run_id)):
            span = self.tracer.start_span(
                name, otel_context.Context(), kind=SpanKind.CONSUMER, attributes=attributes, start_time=time_ns
            )
        span.end(end_time=time_ns)


class RootedWorkflow(TracingWorkflowInboundInterceptor):
    """Begins the trace of a run that came without one."""

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 - the base class's name
        """The root span is sent once, not again by a replay."""
        info = workflow.info()
        if self.header_key not in info.headers and not workflow.unsafe.is_replaying():
            schedule = info.typed_search_attributes.get(_SCHEDULED_BY)
            name = f"Schedule:{schedule}" if schedule else f"Begin:{info.workflow_type}"
            attributes = {"temporalWorkflowID": info.workflow_id, "temporalRunID": info.run_id}
            workflow.extern_functions()[_BEGUN](info.run_id, name, attributes, workflow.time_ns())
        return await super().execute_workflow(input)

    def _load_workflow_context_carrier(self) -> Any:
        carrier = super()._load_workflow_context_carrier()
        if carrier is None:
            trace_id, span_id = ids_of(workflow.info().run_id)
            carrier = self._workflow_context_carrier = {"traceparent": f"00-{trace_id:032x}-{span_id:016x}-01"}
        return carrier


def ids_of(run_id: str) -> tuple[int, int]:
    """Trace id and span id of a run's root: the run's own 128 bits, and half of them (never 0)."""
    number = int(run_id.replace("-", ""), 16)
    return number, (number & (2**64 - 1)) or 1


@contextmanager
def _with_ids(ids: tuple[int, int]) -> Iterator[None]:
    token = _next_ids.set(ids)
    try:
        yield
    finally:
        _next_ids.reset(token)
