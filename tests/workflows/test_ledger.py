"""The ledger holds its limits over hours, restarts and the loss of the engine's own database."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.testing import TimeSkipper

from adapters.database.pool import Pool
from domain.action import ActionKind, CooldownClass
from domain.engine import QUERY_JOURNAL, UPDATE_RESET, UPDATE_SNOOZE
from domain.ids import PermitId, ServiceId, ledger_workflow_id
from domain.ledger import CooldownRule, Journal, LedgerNote, PermitAnswer, PermitOutcome, PermitRequest
from tests.support import plain_server
from tests.support.engine_room import DirectLedger, engine_room
from tests.support.temporal import connect, dev_server
from tests.support.world import World

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]

WEB = ServiceId("local/web")
FOUR_HOURS = CooldownRule(limit=2, window_s=4 * 3600)


def request(n: int, rule: CooldownRule = FOUR_HOURS) -> PermitRequest:
    return PermitRequest(
        id=PermitId(f"per_{n}"), service=WEB, kind=ActionKind.RESTART, cooldown_class=CooldownClass.RESTART, rule=rule
    )


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[str]:
    with plain_server.started(tmp_path) as address:
        yield address


async def take(ledger: DirectLedger, n: int) -> PermitAnswer:
    return await ledger.acquire(request(n))


async def test_the_third_restart_within_four_hours_is_refused_with_its_slot_and_granted_after_it(
    plain: str, pool: Pool, world: World
) -> None:
    client = await connect(plain)
    async with engine_room(client, pool, world):
        ledger = DirectLedger(client)
        first, second, third = [await take(ledger, n) for n in (1, 2, 3)]
        assert (first.granted, second.granted, third.granted) == (True, True, False)
        assert third.next_slot_at is not None
        assert first.permit is not None
        assert third.next_slot_at == first.permit.granted_at + timedelta(hours=4)
        handle = client.get_workflow_handle(ledger_workflow_id(WEB))
        await TimeSkipper(client).fast_forward(handle, timedelta(hours=4, seconds=1))
        assert (await take(ledger, 4)).granted


async def test_the_same_permit_takes_one_slot_and_a_released_one_gives_it_back(pool: Pool, world: World) -> None:
    async with dev_server() as (client, _), engine_room(client, pool, world):
        ledger = DirectLedger(client)
        assert (await take(ledger, 1)).granted
        assert (await take(ledger, 1)).granted
        assert (await take(ledger, 2)).granted
        await ledger.release(WEB, PermitOutcome(id=PermitId("per_2"), outcome="nothing was done"))
        assert (await take(ledger, 3)).granted
        assert not (await take(ledger, 4)).granted


async def test_a_new_engine_reads_the_permits_back_from_the_record(pool: Pool, world: World) -> None:
    """Temporal's database is deleted between the two blocks: the second server has never heard of the ledger."""
    for n in (1, 2):
        async with dev_server() as (client, _), engine_room(client, pool, world):
            assert (await take(DirectLedger(client), n)).granted
    async with dev_server() as (client, _), engine_room(client, pool, world):
        refused = await take(DirectLedger(client), 3)
        assert not refused.granted
        assert refused.next_slot_at is not None


async def test_a_grant_is_in_the_record_before_it_is_answered(pool: Pool, world: World) -> None:
    async with dev_server() as (client, _), engine_room(client, pool, world) as room:
        answer = await take(DirectLedger(client), 1)
        stored = await room.incidents.permits(WEB, room.world.now() - timedelta(hours=1))
        assert [p.id for p in stored] == [answer.permit.id if answer.permit else None]


async def test_a_reset_needs_a_reason_and_gives_all_slots_back(pool: Pool, world: World) -> None:
    async with dev_server() as (client, _), engine_room(client, pool, world):
        ledger = DirectLedger(client)
        for n in (1, 2):
            await take(ledger, n)
        handle = client.get_workflow_handle(ledger_workflow_id(WEB))
        with pytest.raises(Exception, match="update failed"):
            await handle.execute_update(UPDATE_RESET, LedgerNote(reason=" ", actor="alice"))
        assert not (await take(ledger, 3)).granted
        await handle.execute_update(UPDATE_RESET, LedgerNote(reason="new disk", actor="alice"))
        assert (await take(ledger, 4)).granted


async def test_a_snoozed_service_gets_no_permit_until_then(pool: Pool, world: World) -> None:
    async with dev_server() as (client, _), engine_room(client, pool, world):
        ledger = DirectLedger(client)
        await take(ledger, 1)
        handle = client.get_workflow_handle(ledger_workflow_id(WEB))
        until = world.now() + timedelta(hours=1)
        await handle.execute_update(UPDATE_SNOOZE, LedgerNote(until=until, reason="moving house", actor="alice"))
        refused = await take(ledger, 2)
        assert not refused.granted
        assert "moving house" in refused.reason
        journal = await handle.query(QUERY_JOURNAL, result_type=Journal)
        assert journal.snoozed_until == until
