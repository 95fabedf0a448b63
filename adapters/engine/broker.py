"""Carries a session's wish to the escalation that owns it, as an update."""

import asyncio
import uuid
from weakref import WeakValueDictionary

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from adapters.engine.updates import (
    AnsweredWithFaultError,
    ClientSource,
    WorkflowGoneError,
    client_source,
    patiently,
)
from domain.action import ActionAnswer, ActionRequest, ActionState
from domain.engine import UPDATE_ACT, UPDATE_CONSIDER
from domain.errors import EngineUnavailableError, FatalError, TransientError
from domain.ids import digest
from domain.ports import BrokerAnswer

CONSIDER_PATIENCE_S = 40.0  # below the gate's own bound
ACT_PATIENCE_S = 1_500.0  # an effect may take its ten minutes, wait for another one, and be looked up
AWAY_PATIENCE_S = 60.0
# Together with a person's decision this stays below the eight updates that an entity can take.
_CONSIDERED_AT_ONCE = 3
_ACTED_AT_ONCE = 3

AGAIN = "Nothing was decided because our engine could not be reached. Go on with looking and ask again in a minute."
OVER = "The incident that this session works on is over. Nothing was done. Finish with your report."
UNKNOWN = "The engine was lost while it worked on this action, so its outcome is not known. Probe before anything else."


class TemporalBroker:
    """Implements domain.ports.Broker. Never raises: what goes wrong is a denial in words."""

    def __init__(self, client: Client | ClientSource, away_patience_s: float = AWAY_PATIENCE_S) -> None:
        self._client = client_source(client)
        self._away_patience_s = away_patience_s
        self._considering: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._acting: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def consider(self, workflow_id: str, request: ActionRequest) -> BrokerAnswer:
        """Ask what the gate shall do. Asked anew each time: after an approval the answer is another one."""
        update_id = f"{UPDATE_CONSIDER}:{_key(request)}:{uuid.uuid4().hex[:12]}"
        patience = min(CONSIDER_PATIENCE_S, self._away_patience_s)
        async with _bound(self._considering, workflow_id, _CONSIDERED_AT_ONCE):
            return await self._ask(workflow_id, UPDATE_CONSIDER, request, update_id, patience, AGAIN)

    async def act(self, workflow_id: str, request: ActionRequest) -> BrokerAnswer:
        """Have it decided again and performed. The same tool call is the same update, so it joins a running one."""
        update_id = f"{UPDATE_ACT}:{_key(request)}"
        async with _bound(self._acting, workflow_id, _ACTED_AT_ONCE):
            answer = await self._ask(workflow_id, UPDATE_ACT, request, update_id, ACT_PATIENCE_S, UNKNOWN)
            if answer.state in _BEFORE_A_PERSON:
                # Remembered from before a person answered; ask for what holds now.
                again = f"{update_id}:{uuid.uuid4().hex[:12]}"
                answer = await self._ask(workflow_id, UPDATE_ACT, request, again, ACT_PATIENCE_S, UNKNOWN)
            return answer

    async def _ask(
        self, workflow_id: str, name: str, request: ActionRequest, update_id: str, patience_s: float, lost: str
    ) -> BrokerAnswer:
        async def call() -> ActionAnswer:
            client = await self._client()
            handle = client.get_workflow_handle(workflow_id)
            try:
                return await handle.execute_update(name, request, id=update_id, result_type=ActionAnswer)
            except RPCError as e:
                if e.status == RPCStatusCode.NOT_FOUND and await _runs(handle):
                    # Only the update is unknown: a server that was killed forgets what no worker had seen yet.
                    raise TransientError("the engine forgot the question") from e
                raise

        try:
            answer = await patiently(call, patience_s, away_s=self._away_patience_s)
        except WorkflowGoneError:
            return _denial(OVER)
        except EngineUnavailableError:
            return _denial(lost)
        except AnsweredWithFaultError as e:
            return _denial(f"Not done: {e}")
        except FatalError as e:
            return _denial(f"Nothing was done: {e}")
        return BrokerAnswer(
            decision=answer.decision, state=answer.state, message=answer.message, retry_after_s=answer.retry_after_s
        )


_BEFORE_A_PERSON = frozenset({ActionState.WAITING, ActionState.REQUESTED})


async def _runs(handle: WorkflowHandle[object, object]) -> bool:
    return (await handle.describe()).close_time is None


def _key(request: ActionRequest) -> str:
    return digest([request.session, request.tool_use_id])[:32]


def _denial(message: str) -> BrokerAnswer:
    return BrokerAnswer(decision="deny", state=ActionState.REFUSED, message=message)


def _bound(known: WeakValueDictionary[str, asyncio.Semaphore], workflow_id: str, at_once: int) -> asyncio.Semaphore:
    """One semaphore per escalation, forgotten when nobody holds or awaits it."""
    return known.setdefault(workflow_id, asyncio.Semaphore(at_once))
