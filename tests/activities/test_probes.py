"""Proof of health: green for the whole window, or it is no proof."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from activities.probes import ProbeActivities
from adapters.database.health import HealthStore
from adapters.database.pool import Pool
from domain.health import ServiceHealth, ServiceStatus
from domain.ids import ServiceId
from domain.incident import Verification
from domain.work import ProbeOrder, ProbeReport, VerifyOrder
from tests.support.world import World, a_service

WEB, DB = ServiceId("local/web"), ServiceId("local/database")
ROUND_S = 1.0


class Stage:
    """Real activities over the real record. Every round of probes takes one second of a clock that nobody waits for."""

    def __init__(self, pool: Pool) -> None:
        self.time = datetime(2026, 3, 1, tzinfo=UTC)
        self.world = World([a_service("web"), a_service("database")], clock=lambda: self.time)
        self.health = HealthStore(pool)
        self.activities = ProbeActivities(self.world, self.health, self.world)

    async def verify(
        self,
        story: Callable[[int], bool],
        window_s: float = 5,
        timeout_s: float = 10,
        services: Sequence[ServiceId] = (WEB,),
    ) -> Verification:
        """`story`: whether the web app is down in round n, counted from 1."""

        def before_a_round(world: World) -> None:
            self.time += timedelta(seconds=ROUND_S)
            world.down.discard(WEB)
            if story(world.probes_run):
                world.down.add(WEB)

        self.world.on_probe = before_a_round
        order = VerifyOrder(services=tuple(services), window_s=window_s, interval_s=0, timeout_s=timeout_s)
        return await ActivityEnvironment().run(self.activities.verify, order)


@pytest.fixture
async def stage(pool: Pool) -> Stage:
    made = Stage(pool)
    await made.health.save_inventory(await made.world.read(), made.time)
    return made


async def test_green_for_the_whole_window_is_proof(stage: Stage) -> None:
    found = await stage.verify(lambda _: False)
    assert (found.verified, found.green_s, stage.world.probes_run) == (True, 5, 6)


async def test_a_single_red_round_starts_the_window_anew(stage: Stage) -> None:
    found = await stage.verify(lambda n: n == 4)
    assert (found.verified, found.green_s, stage.world.probes_run) == (True, 5, 10)


async def test_a_service_that_never_gets_green_is_given_up_after_the_time(stage: Stage) -> None:
    found = await stage.verify(lambda _: True)
    assert (found.verified, found.green_s) == (False, 0)
    assert "local/web http: no answer" in found.summary
    assert stage.world.probes_run == 10


async def test_a_restless_service_is_given_up_after_time_and_window(stage: Stage) -> None:
    found = await stage.verify(lambda n: n % 3 == 0)
    assert found.verified is False
    assert stage.world.probes_run <= 16


async def test_a_late_recovery_still_gets_its_whole_window(stage: Stage) -> None:
    found = await stage.verify(lambda n: n < 10)
    assert (found.verified, found.green_s) == (True, 5)


async def test_one_sick_service_of_several_is_no_proof(stage: Stage) -> None:
    assert not (await stage.verify(lambda _: True, services=(DB, WEB))).verified


async def test_no_service_and_one_that_left_the_inventory_are_no_proof(stage: Stage) -> None:
    assert not (await stage.verify(lambda _: False, services=())).verified
    assert not (await stage.verify(lambda _: False, services=(ServiceId("local/gone"),))).verified


async def test_a_service_that_left_the_inventory_does_not_hold_up_the_others(stage: Stage) -> None:
    assert (await stage.verify(lambda _: False, services=(WEB, ServiceId("local/gone")))).verified
    assert not (await stage.verify(lambda _: True, services=(WEB, ServiceId("local/gone")))).verified


async def probe(stage: Stage, *services: ServiceId) -> ProbeReport:
    return await ActivityEnvironment().run(stage.activities.probe_now, ProbeOrder(services=services, purpose="test"))


async def test_one_round_tells_what_is_wrong_and_keeps_it(stage: Stage) -> None:
    stage.world.down.add(WEB)
    report = await probe(stage, WEB, DB)
    assert (report.green, report.summary, len(report.results)) == (False, "local/web http: no answer within 5 s", 2)
    stage.world.down.clear()
    report = await probe(stage, WEB, DB)
    assert (report.green, report.summary) == (True, "all probes are green")
    assert (await probe(stage)).summary == "no probe ran"


async def test_a_round_updates_the_health_that_patrols_go_by(stage: Stage) -> None:
    await stage.health.save_probes((), [ServiceHealth(service=WEB), ServiceHealth(service=DB)], "patrol")
    stage.world.down.add(WEB)
    await probe(stage, WEB)
    after = await stage.health.health()
    assert (after[WEB].status, after[WEB].failures_in_row) == (ServiceStatus.DOWN, 1)
    assert after[DB].status == ServiceStatus.UNKNOWN
