"""The one place where our faults become Temporal's: the class carries the retry decision."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from temporalio.exceptions import ApplicationError

from domain.errors import FatalError, TiercelError, TransientError

P = ParamSpec("P")
T = TypeVar("T")


def as_application_error(error: TiercelError) -> ApplicationError:
    """Keep the class name as the type: a subclass of ApplicationError would lose it on the wire."""
    delay = getattr(error, "retry_after_s", None)
    return ApplicationError(
        str(error),
        type=type(error).__name__,
        non_retryable=isinstance(error, FatalError),
        next_retry_delay=timedelta(seconds=delay) if delay else None,
    )


def mapped(fn: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Turn domain faults of an activity into ApplicationErrors; everything else stays an ordinary retry."""

    @wraps(fn)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await fn(*args, **kwargs)
        except (FatalError, TransientError) as e:
            raise as_application_error(e) from e

    return call
