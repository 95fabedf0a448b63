"""A patrol opens what fails twice, leaves alone what heals, and groups by cause."""

import asyncio

import pytest

from adapters.database.health import HealthStore
from domain.engine import PATROL, TASK_QUEUE_CONTROL
from domain.errors import FatalError
from domain.health import ServiceStatus
from domain.incident import Alert, PatrolInput, PatrolResult
from tests.support.engine_room import QUICK, Room, StubEscalations
from tests.support.world import World

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]


async def patrol(room: Room, name: str = "patrol-1") -> PatrolResult:
    order = PatrolInput(confirm_after_s=0.2, policy=QUICK, dry_run=False)
    return await room.client.execute_workflow(
        PATROL, order, id=name, task_queue=TASK_QUEUE_CONTROL, result_type=PatrolResult
    )


async def test_a_healthy_day_opens_nothing(room: Room) -> None:
    for n in range(3):
        result = await patrol(room, f"patrol-{n}")
        assert (result.services, result.failing, result.opened) == (4, (), ())
    assert not room.orders
    assert not room.world.told


async def test_what_fails_twice_opens_one_incident_for_its_cause(room: Room) -> None:
    room.world.down |= {"local/database", "local/web", "local/worker"}
    result = await patrol(room)
    assert result.opened == ("local/database",)
    view = await room.client.get_workflow_handle("escalation/local/database").query("view")
    assert view["service"] == "local/database"


async def test_what_recovers_before_the_second_look_opens_nothing(room: Room) -> None:
    room.world.down.add("local/web")

    def heal(_: object) -> None:
        if room.world.probes_run == 2:
            room.world.down.clear()

    room.world.on_probe = heal
    result = await patrol(room)
    assert (result.failing, result.opened) == ((), ())
    assert not room.orders


async def test_a_flapping_service_is_told_and_not_touched(room: Room) -> None:
    for n in range(6):
        room.world.down = {"local/web"} if n % 2 else set()
        first = room.world.probes_run + 1

        def up_again(world: World, first: int = first) -> None:
            if world.probes_run > first:
                world.down.clear()

        room.world.on_probe = up_again
        await patrol(room, f"flap-{n}")
    for _ in range(600):
        if room.world.told:
            break
        await asyncio.sleep(0.05)
    assert [n.title for n in room.world.told] == ["local/web is flapping"]
    assert not room.world.performed
    assert not room.orders


async def test_every_result_is_kept(room: Room) -> None:
    await patrol(room)
    health = await HealthStore(room.pool).health()
    assert {h.status for h in health.values()} == {ServiceStatus.UP}
    assert len(health) == 4


async def test_a_fault_of_one_alert_stops_no_other(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.world.down |= {"local/web", "local/other"}
    ordinary = StubEscalations.alert

    async def refused(self: StubEscalations, alert: Alert) -> bool:
        if alert.service == "local/web":
            raise FatalError("the engine refused the call")
        return await ordinary(self, alert)

    monkeypatch.setattr(StubEscalations, "alert", refused)
    result = await patrol(room)
    assert result.opened == ("local/other",)
    assert "refused" in result.held["local/web"]
