"""The ledger's client against a real server."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from adapters.engine.client import TemporalLedger
from adapters.engine.slots import UpdateSlots
from config.ports import free_ports
from domain.engine import TASK_QUEUE_CONTROL
from domain.errors import EngineUnavailableError, FatalError
from domain.ids import ledger_workflow_id
from domain.ledger import PermitOutcome
from tests.support.entity import CountingEscalation, CountingLedger
from tests.support.ledger_callers import SERVICE, request
from tests.support.temporal import dev_server

pytestmark = pytest.mark.asyncio(loop_scope="module")
LEDGER_ID = ledger_workflow_id(SERVICE)


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="server")
async def _server() -> AsyncIterator[tuple[Client, str]]:
    async with dev_server() as (client, address):
        workflows = [CountingLedger, CountingEscalation]
        async with Worker(client, task_queue=TASK_QUEUE_CONTROL, workflows=workflows, max_cached_workflows=50):
            yield client, address


@pytest_asyncio.fixture(loop_scope="module", name="ledger")
async def _ledger(server: tuple[Client, str], tmp_path: Path) -> AsyncIterator[TemporalLedger]:
    yield TemporalLedger(server[0], UpdateSlots(tmp_path / "slots"))
    await server[0].get_workflow_handle(LEDGER_ID).terminate()


async def test_the_first_permit_starts_the_ledger_and_the_same_id_is_the_same_permit(
    server: tuple[Client, str], ledger: TemporalLedger
):
    first = await ledger.acquire(request(1, limit=1))
    again = await ledger.acquire(request(1, limit=1))
    other = await ledger.acquire(request(2, limit=1))
    assert (first.granted, again.granted, other.granted) == (True, True, False)
    await ledger.confirm(SERVICE, PermitOutcome(id=request(1).id))
    await ledger.release(SERVICE, PermitOutcome(id=request(2).id))
    ended = await server[0].get_workflow_handle(LEDGER_ID).query(CountingLedger.ended)
    assert ended == ["confirm per_1", "release per_2"]


async def test_a_ledger_that_says_ask_again_is_asked_again(ledger: TemporalLedger):
    assert (await ledger.acquire(request(1, holder="fails once"))).granted


async def test_a_ledger_that_refuses_for_good_is_a_fatal_fault(ledger: TemporalLedger):
    with pytest.raises(FatalError, match="no such thing"):
        await ledger.acquire(request(1, holder="fails always"))


async def test_200_callers_in_three_processes_never_put_more_than_8_updates_in_flight(
    server: tuple[Client, str], ledger: TemporalLedger, tmp_path: Path
):
    del ledger  # only its end is wanted here
    begun = time.monotonic()
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.support.ledger_callers", server[1], str(tmp_path / "slots"), str(first), str(count)),
            stdout=asyncio.subprocess.PIPE,
        )
        for first, count in ((0, 67), (67, 67), (134, 66))
    ]
    said = [json.loads((await p.communicate())[0]) for p in processes]
    most = most_at_once([tuple(held) for one in said for held in one["held"]])
    counts = await server[0].get_workflow_handle(LEDGER_ID).query(CountingLedger.counts)
    print(f"200 callers, 3 processes: {time.monotonic() - begun:.1f} s, at most {most} in flight")
    assert [p.returncode for p in processes] == [0, 0, 0]
    assert sum(one["answered"] for one in said) == 200
    assert sum(one["granted"] for one in said) == counts["granted"] == 50
    assert counts["permits"] == 200
    assert 2 <= most <= 8


def most_at_once(held: list[tuple[float, float]]) -> int:
    steps = sorted([(end, -1) for _, end in held] + [(begun, 1) for begun, _ in held])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


async def test_a_server_that_is_away_is_told_as_a_fault_that_waiting_may_heal(tmp_path: Path):
    port = free_ports(1)[0]
    client = await Client.connect(f"127.0.0.1:{port}", data_converter=pydantic_data_converter, lazy=True)
    ledger = TemporalLedger(client, UpdateSlots(tmp_path / "slots"), patience_s=0.5)
    with pytest.raises(EngineUnavailableError):
        await ledger.acquire(request(1))


async def test_a_caller_that_is_cancelled_ends_and_frees_its_slot(tmp_path: Path):
    client = await Client.connect(f"127.0.0.1:{free_ports(1)[0]}", data_converter=pydantic_data_converter, lazy=True)
    slots = UpdateSlots(tmp_path / "slots", per_entity=1)
    ledger = TemporalLedger(client, slots, patience_s=60)
    waiting = asyncio.create_task(ledger.acquire(request(1)))
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)
    async with asyncio.timeout(2), slots.slot(LEDGER_ID):
        pass


async def test_the_slots_of_a_process_that_dies_are_free_at_once(tmp_path: Path):
    script = (
        "import asyncio, sys, pathlib\n"
        "from adapters.engine.slots import UpdateSlots\n"
        "async def hold():\n"
        "    slots = UpdateSlots(pathlib.Path(sys.argv[1]), per_entity=1)\n"
        "    async with slots.slot('e'):\n"
        "        print('held', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(hold())\n"
    )
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        str(tmp_path),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert holder.stdout
    assert await holder.stdout.readline() == b"held\n"
    slots = UpdateSlots(tmp_path, per_entity=1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), slots.slot("e"):
            pass
    holder.kill()
    await holder.wait()
    async with asyncio.timeout(2), slots.slot("e"):
        pass
