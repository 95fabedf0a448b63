"""The hub against a log that grows: no line missing, none twice, whatever the readers do."""

import asyncio
import random
from datetime import UTC, datetime

from domain.session import OutputLine
from web.live.cursor import LogKey
from web.live.hub import PAGE, RING, Hub
from web.live.stream import events

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEY = LogKey("s", 1)


class Log:
    """A log in memory with the contract of the record: numbers without gaps, empty means the end."""

    def __init__(self, lines: int = 0) -> None:
        self.last = lines
        self.reads = 0

    async def read(self, session: str, attempt: int, after: int, limit: int) -> tuple[OutputLine, ...]:
        assert (session, attempt) == KEY
        self.reads += 1
        await asyncio.sleep(0)
        # As the record may: fewer than asked for, although there is more.
        last = min(self.last, after + min(limit, 100))
        return tuple(OutputLine(seq=n, at=NOW, text=f"line {n}") for n in range(after + 1, last + 1))


async def follow(hub: Hub, cursor: int, until: int) -> list[int]:
    subscription = hub.subscribe((), (KEY,))
    seen: list[int] = []
    try:
        while not seen or seen[-1] < until:
            subscription.wake.clear()
            lines = await hub.feed(KEY).after(cursor)
            seen += [line.seq for line in lines]
            cursor = seen[-1] if seen else cursor
            if not lines:
                await asyncio.wait_for(subscription.wake.wait(), 5)
    finally:
        hub.unsubscribe(subscription)
    return seen


async def test_readers_that_come_and_go_see_every_line_once():
    log, total = Log(), 3000
    hub = Hub(log.read)

    async def write() -> None:
        while log.last < total:
            log.last = min(total, log.last + random.randint(1, 40))
            hub.output("s", 1, log.last)
            await asyncio.sleep(0.0005)

    async def wander() -> list[int]:
        seen: list[int] = []
        while not seen or seen[-1] < total:
            begin = seen[-1] if seen else 0
            seen += await follow(hub, begin, min(total, begin + random.randint(1, 400)))
        return seen

    results, _ = await asyncio.gather(asyncio.gather(*(wander() for _ in range(12))), write())
    for seen in results:
        assert seen == list(range(1, seen[-1] + 1))


async def test_a_long_backlog_is_read_to_its_end_without_any_notification():
    log = Log(5 * RING + 17)
    assert await follow(Hub(log.read), 0, log.last) == list(range(1, log.last + 1))


async def test_many_readers_at_the_end_cost_one_read_per_change():
    log = Log(10)
    hub = Hub(log.read)
    readers = [asyncio.create_task(follow(hub, 10, 40)) for _ in range(50)]
    await asyncio.sleep(0.05)
    idle = log.reads
    for last in (20, 30, 40):
        log.last = last
        hub.output("s", 1, last)
        await asyncio.sleep(0.02)
    assert all(seen == list(range(11, 41)) for seen in await asyncio.gather(*readers))
    assert log.reads - idle < 12


async def test_a_lost_listening_connection_makes_everybody_look_again():
    log = Log(10)
    hub = Hub(log.read)
    reader = asyncio.create_task(follow(hub, 0, 25))
    await asyncio.sleep(0.02)
    log.last = 25  # nobody was told
    hub.lost_track()
    assert await reader == list(range(1, 26))


async def test_one_change_is_heard_by_its_own_topic_and_by_its_kind():
    hub = Hub(Log().read)
    one, all_of_them, other = (hub.subscribe({t}, ()) for t in ("incident:7", "incident", "incident:8"))
    hub.changed("incident:7")
    hub.changed("incident:7")
    assert (one.take(), all_of_them.take(), other.take()) == ({"incident:7"}, {"incident:7"}, set())


async def test_a_stream_ends_with_a_goodbye_and_lets_go_of_its_log():
    hub = Hub(Log(3).read)
    stream = events(hub, frozenset({"incident"}), {KEY: 1}, lambda _, lines: ",".join(str(line.seq) for line in lines))
    first, second = await anext(stream), await anext(stream)
    assert b"event: hello" in first
    assert second.startswith(b"id: s:1:3\r\nevent: log\r\ndata: {")
    assert b'"html": "2,3"' in second
    hub.close()
    assert b"event: closing" in await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert hub.open_streams == 0
    assert PAGE > 0
