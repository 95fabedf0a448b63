"""The worker's way to the gateway's admin socket."""

import asyncio
from pathlib import Path

import pytest

from domain.errors import FatalError, TransientError
from domain.ids import SessionId
from tests.support import gateway
from tests.support.gateway_process import GatewayProcess


async def test_the_worker_opens_and_closes_doors_and_waits_for_a_gateway_that_restarts(tmp_path: Path):
    process = GatewayProcess(tmp_path / "home" / ("long" * 30), "http://127.0.0.1:9")
    await process.start()
    door = gateway.make_door(process.home, 2)
    await process.doors.open(door)
    await process.doors.open(door)
    assert await process.doors.opened() == (door.session,)
    await process.kill()
    opening = asyncio.create_task(process.doors.open(gateway.make_door(process.home, 1)))
    await asyncio.sleep(0.3)
    await process.start()
    await opening
    assert len(await process.doors.opened()) == 2
    await process.doors.close(door.session)
    await process.doors.close(door.session)
    assert door.session not in await process.doors.opened()
    with pytest.raises(FatalError, match="plain folder"):
        await process.doors.open(gateway.make_door(tmp_path, 1))
    await process.stop()
    impatient = process.doors
    impatient._patience_s = 0.3
    with pytest.raises(TransientError):
        await impatient.close(SessionId("x"))
