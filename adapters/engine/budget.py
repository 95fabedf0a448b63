"""The budget, reached through Temporal. Whoever asks while an update is under way shares the next one."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import TypeVar

from temporalio.client import Client, WithStartWorkflowOperation
from temporalio.common import WorkflowIDConflictPolicy

from adapters.engine.slots import UpdateSlots
from adapters.engine.updates import (
    AnsweredWithFaultError,
    ClientSource,
    WorkflowGoneError,
    client_source,
    patiently,
)
from domain.base import Value
from domain.budget import BudgetAnswer, BudgetAnswers, BudgetBatch, BudgetNote, BudgetRequest, BudgetStart
from domain.engine import BUDGET, TASK_QUEUE_CONTROL, UPDATE_NOTE, UPDATE_TRANSACT
from domain.errors import EngineUnavailableError, FatalError, TransientError
from domain.ids import BUDGET_WORKFLOW_ID

T = TypeVar("T")

PATIENCE_S = 40.0
MOST = 100  # in one update
_TRIES = 5  # of an update whose handler said that asking again makes sense


@dataclass
class _Waiting:
    request: BudgetRequest | None
    ended: str
    answer: asyncio.Future[BudgetAnswer]


class TemporalBudget:
    """Implements domain.ports.Budget. At most one update of a process is under way; the entity knows promises by id."""

    def __init__(self, client: Client | ClientSource, slots: UpdateSlots, patience_s: float = PATIENCE_S) -> None:
        self._client = client_source(client)
        self._slots = slots
        self._patience_s = patience_s
        self._waiting: list[_Waiting] = []
        self._sender: asyncio.Task[None] | None = None

    async def reserve(self, request: BudgetRequest) -> BudgetAnswer:
        """Ask for the money of one process; a refusal is an answer. Raises TransientError."""
        return await self._ask(_Waiting(request, "", asyncio.get_running_loop().create_future()))

    async def settle(self, reservation: str) -> None:
        """Its process has ended. Raises TransientError."""
        await self._ask(_Waiting(None, reservation, asyncio.get_running_loop().create_future()))

    async def note(self, note: BudgetNote) -> bool:
        """Pause or resume. False where it is so already."""
        return await self._update(UPDATE_NOTE, note, bool)

    async def _ask(self, waiting: _Waiting) -> BudgetAnswer:
        self._waiting.append(waiting)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())
        return await waiting.answer

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            batch = [one for one in batch if one.request is None or not one.answer.done()]
            if not batch:  # nobody waits for this money any more, and nobody would give it back
                continue
            try:
                answers = await self._update(UPDATE_TRANSACT, _together(batch), BudgetAnswers)
            except Exception as e:  # noqa: BLE001 - handed to everybody who waits for it
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(_copy(e))
            else:
                for one in batch:
                    if not one.answer.done():  # whoever asked may be gone
                        one.answer.set_result(_answer(one, answers))

    async def _update(self, name: str, arg: Value, result: type[T]) -> T:
        for last in (*[False] * (_TRIES - 1), True):
            try:
                return await self._once(name, arg, result)
            except AnsweredWithFaultError as e:
                if not e.retryable:
                    raise FatalError(f"the budget refused: {e}") from e
                if last:
                    raise TransientError(f"the budget cannot answer: {e}") from e
        raise AssertionError

    async def _once(self, name: str, arg: Value, result: type[T]) -> T:
        # As in the ledger's client: the id lasts for the repetitions after a lost connection, a new try gets a new one.
        update_id = f"{name}:{uuid.uuid4().hex[:12]}"

        async def call() -> T:
            client = await self._client()
            start = WithStartWorkflowOperation[object, None](
                BUDGET,
                BudgetStart(),
                id=BUDGET_WORKFLOW_ID,
                task_queue=TASK_QUEUE_CONTROL,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary="Budget",
            )
            return await client.execute_update_with_start_workflow(
                name, arg, start_workflow_operation=start, id=update_id, result_type=result
            )

        async with self._slots.slot(BUDGET_WORKFLOW_ID):
            try:
                return await patiently(call, self._patience_s)
            except WorkflowGoneError as e:
                raise EngineUnavailableError(f"the budget is starting anew: {e}") from e


def _together(batch: list[_Waiting]) -> BudgetBatch:
    requests = {one.request.id: one.request for one in batch if one.request is not None}
    return BudgetBatch(
        requests=tuple(requests.values()), ended=tuple(dict.fromkeys(one.ended for one in batch if one.ended))
    )


def _answer(one: _Waiting, answers: BudgetAnswers) -> BudgetAnswer:
    return answers.answers[one.request.id] if one.request is not None else BudgetAnswer(granted=True)


def _copy(error: Exception) -> Exception:
    """One for each: an exception that several tasks raise collects the traces of all."""
    copy = type(error)(str(error)) if isinstance(error, TransientError | FatalError) else error
    copy.__cause__ = error
    return copy
