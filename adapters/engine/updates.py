"""Calls to Temporal that survive a busy or restarting server, and tell a busy one from a refusal."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from temporalio.client import Client, RPCTimeoutOrCancelledError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from domain.errors import EngineUnavailableError, FatalError, TransientError

T = TypeVar("T")
ClientSource = Callable[[], Awaitable[Client]]

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 2.0
_WAITED_S = 20.0  # longer than the SDK's own retries: so long a call had reached the server

# What a busy or restarting server says. Above 10 updates in flight: RESOURCE_EXHAUSTED and ABORTED.
_BUSY = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.INTERNAL,
        RPCStatusCode.UNKNOWN,
    }
)


class WorkflowGoneError(FatalError):
    """The workflow does not run (any more)."""


class AnsweredWithFaultError(FatalError):
    """The update's handler raised. `retryable`: it said that asking again makes sense."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


def client_source(client: Client | ClientSource) -> ClientSource:
    """A way to the client, whether it is there already or has to be waited for."""
    if not isinstance(client, Client):
        return client

    async def ready() -> Client:
        return client

    return ready


async def patiently(call: Callable[[], Awaitable[T]], patience_s: float, away_s: float | None = None) -> T:
    """Repeat `call` while the server is busy or away, for at most `patience_s` seconds in all.

    A `call` may wait long for its answer; `away_s` bounds how long the server may be away at a time.
    `call` must carry an update id (or be harmless to repeat). Raises EngineUnavailableError when patience ends,
    WorkflowGoneError and AnsweredWithFaultError at once.
    """
    deadline = time.monotonic() + patience_s
    away_until = time.monotonic() + (away_s or patience_s)
    pause = _FIRST_PAUSE_S
    while True:
        begun = time.monotonic()
        left = deadline - begun
        try:
            async with asyncio.timeout(max(left, 0.05)):
                return await call()
        except (RPCError, RPCTimeoutOrCancelledError, TransientError, RuntimeError, TimeoutError) as e:
            _reraise_cancellation()
            fault = _fault(e)
            if fault is not None:
                raise fault from e
            now = time.monotonic()
            if now - begun > _WAITED_S:
                away_until = now + (away_s or patience_s)
            if now + pause >= min(deadline, away_until):
                raise EngineUnavailableError(f"Temporal does not answer ({_words(e)}); is it running?") from e
        except WorkflowUpdateFailedError as e:
            raise _answered(e) from e
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads callers, hides nothing
        pause = min(pause * 2, _LONGEST_PAUSE_S)


def _reraise_cancellation() -> None:
    # The SDK turns a cancelled wait for an update into an error of its own; swallowing it would make us immortal.
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _fault(error: Exception) -> Exception | None:
    """The fault to raise, or None where waiting may help."""
    if not isinstance(error, RPCError):
        return None
    if error.status == RPCStatusCode.NOT_FOUND:
        return WorkflowGoneError(error.message)
    if error.status in _BUSY:
        return None
    return FatalError(f"Temporal refused the call: {error.message}")


def _answered(error: WorkflowUpdateFailedError) -> Exception:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        if cause.type == "AcceptedUpdateCompletedWorkflow":
            return WorkflowGoneError("the workflow ended before it answered")
        return AnsweredWithFaultError(cause.message, retryable=not cause.non_retryable)
    return AnsweredWithFaultError(str(cause), retryable=False)


def _words(error: Exception) -> str:
    return f"{error.status.name}: {error.message}" if isinstance(error, RPCError) else type(error).__name__
