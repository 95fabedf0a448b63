"""A notice that has arrived is never sent again; every attempt that failed is counted once."""

import pytest

from adapters.database.notices import NoticeStore
from adapters.database.pool import Pool
from adapters.database.reads import Reads
from domain.notice import Delivery
from tests.support.record import NOON, a_notice, at


@pytest.fixture
def store(pool: Pool) -> NoticeStore:
    return NoticeStore(pool)


def arrived(channel: str = "ch1-json") -> Delivery:
    return Delivery(channel=channel, delivered=True, message="delivered")


def failed(channel: str = "ch1-json") -> Delivery:
    return Delivery(channel=channel, delivered=False, message="HTTP 500")


async def test_delivery_is_remembered_per_channel(store: NoticeStore) -> None:
    notice = a_notice()
    assert not await store.delivered(notice.key, "ch1-json")
    await store.save_delivery(notice, failed(), NOON)
    assert not await store.delivered(notice.key, "ch1-json")
    await store.save_delivery(notice, arrived(), at(5))
    assert await store.delivered(notice.key, "ch1-json")
    assert not await store.delivered(notice.key, "ch2-mailto")


async def test_attempts_are_counted_once_each_and_delivered_stays_delivered(pool: Pool, store: NoticeStore) -> None:
    notice = a_notice()
    for delivery, seconds in (
        (failed(), 0),
        (failed(), 0),
        (failed(), 5),
        (arrived(), 10),
        (arrived(), 10),
        (failed(), 20),
    ):
        await store.save_delivery(notice, delivery, at(seconds))
    (row,) = (await Reads(pool).notices()).rows
    assert (row.delivered, row.attempts, row.message, row.at) == (True, 3, "delivered", at(10))


async def test_notices_come_in_pages(pool: Pool, store: NoticeStore) -> None:
    for n in range(3):
        for channel in ("ch1", "ch2"):
            await store.save_delivery(a_notice(key=f"k{n}"), arrived(channel), NOON)
    seen: list[tuple[str, str]] = []
    after = ""
    while True:
        page = await Reads(pool).notices(after, limit=4)
        seen += [(row.channel, row.key) for row in page.rows]
        if not (after := page.next):
            break
    assert seen == [("ch2", "k2"), ("ch2", "k1"), ("ch2", "k0"), ("ch1", "k2"), ("ch1", "k1"), ("ch1", "k0")]
