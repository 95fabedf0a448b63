"""The background writer: nothing waits for it, and it gives up only what cannot be kept."""

import asyncio

from domain.errors import FatalError, TransientError
from gateway.recorder import Recorder


async def test_it_repeats_what_may_heal_gives_up_what_cannot_and_keeps_the_order():
    recorder, done, tries = Recorder(first_pause_s=0.001), list[str](), list[int]()

    async def heals():
        tries.append(1)
        if len(tries) < 4:
            raise TransientError("away")
        done.append("heals")

    async def broken():
        raise FatalError("no such column")

    async def last():
        done.append("last")

    recorder.start()
    for write in (heals, broken, last):
        recorder.put("x", write)
    await asyncio.wait_for(recorder._idle.wait(), 5)
    await recorder.close()
    assert done == ["heals", "last"]
    assert recorder.lost == 1


async def test_a_full_queue_gives_up_the_oldest_and_says_so():
    recorder, done = Recorder(limit=3), list[int]()

    def write(n: int):
        async def now():
            done.append(n)

        return now

    for n in range(5):
        recorder.put("x", write(n))
    recorder.start()
    await recorder.close()
    assert done == [2, 3, 4]
    assert recorder.lost == 2


async def test_the_end_waits_for_the_record_but_not_for_ever():
    recorder = Recorder(first_pause_s=0.01)

    async def away():
        raise TransientError("away")

    recorder.start()
    recorder.put("x", away)
    async with asyncio.timeout(2):
        await recorder.close(patience_s=0.1)
