"""The plain server that other tests move the clock with."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.testing import TimeSkipper
from temporalio.worker import Worker

from tests.support.plain_server import started
from tests.support.sleeper import Sleeper

pytestmark = pytest.mark.plain_server


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with started() as address:
        yield address


async def test_four_hours_pass_at_once(address: str) -> None:
    client = await Client.connect(address)
    async with Worker(client, task_queue="clock", workflows=[Sleeper]):
        handle = await client.start_workflow(Sleeper.run, 4, id="sleeper", task_queue="clock")
        await TimeSkipper(client).fast_forward(handle, timedelta(hours=4, seconds=1))
        assert 4 * 3600 <= await handle.result() < 4 * 3600 + 60


async def test_it_knows_our_search_attributes(address: str) -> None:
    client = await Client.connect(address)
    attributes = TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword("Service"), "local/app"),
            SearchAttributePair(SearchAttributeKey.for_int("Tier"), 2),
            SearchAttributePair(SearchAttributeKey.for_bool("PendingApproval"), True),
        ]
    )
    await client.start_workflow(Sleeper.run, 1, id="attributed", task_queue="nobody", search_attributes=attributes)
    description = await client.get_workflow_handle("attributed").describe()
    assert description.typed_search_attributes[SearchAttributeKey.for_keyword("Service")] == "local/app"
