"""The class of a fault carries the retry decision to Temporal."""

from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from activities.errors import as_application_error, mapped
from domain.errors import FatalError, RecordUnavailableError, TransientError, UnknownServiceError


@pytest.mark.parametrize(
    ("fault", "kind", "final"),
    [
        (UnknownServiceError("no such service"), "UnknownServiceError", True),
        (FatalError("no"), "FatalError", True),
        (TransientError("later"), "TransientError", False),
        (RecordUnavailableError("away"), "RecordUnavailableError", False),
    ],
)
async def test_a_fault_keeps_its_name_its_words_and_whether_trying_again_helps(
    fault: FatalError | TransientError, kind: str, final: bool
) -> None:
    @mapped
    async def work() -> None:
        raise fault

    with pytest.raises(ApplicationError) as caught:
        await work()
    assert (caught.value.type, caught.value.message, caught.value.non_retryable) == (kind, str(fault), final)


def test_a_fault_that_knows_when_tells_when() -> None:
    assert as_application_error(TransientError("busy", retry_after_s=7)).next_retry_delay == timedelta(seconds=7)
    assert as_application_error(TransientError("busy")).next_retry_delay is None


async def test_what_we_did_not_expect_stays_what_it_is() -> None:
    @mapped
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()


async def test_an_answer_passes_through_and_the_name_stays() -> None:
    @mapped
    async def work(number: int) -> int:
        return number + 1

    assert await work(1) == 2
    assert work.__name__ == "work"
