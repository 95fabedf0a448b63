"""What is lost is found again and told; what is over is put away; a quiet day says that it was quiet."""

import asyncio
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.upkeep import UpkeepActivities
from adapters.containers.folders import SessionFolders
from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.pool import Pool
from adapters.database.sessions import SessionStore
from adapters.database.upkeep import UpkeepStore
from config.settings import load
from domain.action import ActionKind
from domain.engine import SCHEDULE_LOOK, TASK_QUEUE_CONTROL, UPKEEP
from domain.ids import IncidentId, SessionId
from domain.incident import ApprovalState, IncidentState
from domain.session import Isolation, SessionOrder
from domain.work import UpkeepOrder, UpkeepReport
from tests.support.engine_room import QUICK, Room, engine_room
from tests.support.temporal import dev_server
from tests.support.world import World
from tests.workflows.test_escalation import eventually, parks_on_approval, wait_for_state
from worker.schedules import seed

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]


async def upkeep(client: Client, name: str, **order: str) -> UpkeepReport:
    start = UpkeepOrder(retention_days=90, at=datetime.now(UTC), **order)  # type: ignore[arg-type]
    return await client.execute_workflow(
        UPKEEP, start, id=name, task_queue=TASK_QUEUE_CONTROL, result_type=UpkeepReport
    )


async def test_what_waited_in_a_lost_engine_is_closed_withdrawn_and_told(pool: Pool, world: World) -> None:
    """Temporal's database is deleted between the two blocks."""
    world.services[1] = world.services[1].model_copy(update={"approval": (ActionKind.RESTART,)})
    world.down.add("local/web")
    async with dev_server() as (client, _), engine_room(client, pool, world) as room:
        room.scripts[2] = parks_on_approval
        await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.WAITING)
    world.told.clear()
    async with dev_server() as (client, _), engine_room(client, pool, world):
        report = await upkeep(client, "upkeep-1")
        assert report.interrupted == 1
        await eventually(lambda: [n.title for n in world.told] == ["An escalation was interrupted"])
        assert (await upkeep(client, "upkeep-2")).interrupted == 0
    assert await UpkeepStore(pool).open_incidents() == ()
    approvals = await UpkeepStore(pool).approvals_of(IncidentId("inc_1"))
    assert [a.state for a in approvals] == [ApprovalState.VOID]
    assert not world.performed


async def test_an_older_incident_whose_service_has_a_new_workflow_is_found_too(room: Room) -> None:
    room.world.down.add("local/web")
    room.scripts[1] = lambda desk, _: asyncio.sleep(60, desk.report())
    handle = await room.escalate(room.alert("local/web"))
    await eventually(lambda: len(room.orders) == 1)
    await handle.terminate()
    await room.escalate(room.alert("local/web"))
    await eventually(lambda: len(room.orders) == 2)
    assert (await upkeep(room.client, "upkeep-1")).interrupted == 1
    assert [i for i, _ in await UpkeepStore(room.pool).open_incidents()] == ["inc_2"]


async def test_a_quiet_day_is_told_once_and_the_first_day_is_not(room: Room) -> None:
    everyday = {"digest_at": "00:00", "timezone": "UTC"}
    assert (await upkeep(room.client, "upkeep-0", **everyday)).digest == ""
    before = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(hours=2)
    await HealthStore(room.pool).patrol_finished("patrol-1", before, before, 4, 0, 0, 0)
    for n in (1, 2):
        assert (await upkeep(room.client, f"upkeep-{n}", **everyday)).digest.startswith("digest/")
    await eventually(lambda: len(room.world.told) == 1)
    notice = room.world.told[0]
    assert notice.title.startswith("All quiet")
    assert "model tokens: 0" in notice.body
    assert (await upkeep(room.client, "upkeep-3", digest_at="")).digest == ""


@dataclass
class OpenDoors:
    """Implements DoorList."""

    doors: set[str] = field(default_factory=set[str])

    async def opened(self) -> tuple[SessionId, ...]:
        return tuple(SessionId(d) for d in sorted(self.doors))

    async def close(self, session: SessionId) -> None:
        self.doors.discard(session)


async def test_a_session_whose_workflow_is_gone_is_ended_and_its_door_closed(pool: Pool, world: World) -> None:
    sessions = SessionStore(pool)
    wall = Isolation(engine="process", isolated=True, how="")
    for name in ("lost", "alive"):
        order = SessionOrder(
            session=SessionId(name),
            incident=IncidentId("inc_1"),
            workflow_id=name,
            workflow_run_id="r",
            tier=QUICK.tiers[0],
        )
        await sessions.session_started(order, wall, scripted=True, at=world.now())
    doors = OpenDoors({"lost", "alive", "forgotten"})

    async def runs(workflow_id: str) -> bool:
        return workflow_id == "alive"

    activities = UpkeepActivities(UpkeepStore(pool), IncidentStore(pool), (), runs, world, doors)
    await ActivityEnvironment().run(activities.sweep_orphans)
    assert doors.doors == {"alive"}
    assert await UpkeepStore(pool).running_sessions() == ("alive",)


async def test_a_machine_that_only_runs_sessions_tidies_its_own_disk_and_judges_no_workflow(
    pool: Pool, world: World, tmp_path: Path
) -> None:
    order = SessionOrder(
        session=SessionId("elsewhere"),
        incident=IncidentId("inc_1"),
        workflow_id="unknown here",
        workflow_run_id="r",
        tier=QUICK.tiers[0],
    )
    wall = Isolation(engine="process", isolated=True, how="")
    await SessionStore(pool).session_started(order, wall, scripted=True, at=world.now())
    for name in ("elsewhere", "old"):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (0, 0))
    doors = OpenDoors({"elsewhere", "forgotten"})

    async def runs(_: str) -> bool:
        raise AssertionError("not asked for here")

    activities = UpkeepActivities(
        UpkeepStore(pool), IncidentStore(pool), (), runs, world, doors, SessionFolders(tmp_path)
    )
    await activities.tidy_here(30)
    assert doors.doors == {"elsewhere"}
    assert [p.name for p in tmp_path.iterdir()] == ["elsewhere"]
    assert await UpkeepStore(pool).running_sessions() == ("elsewhere",)


async def test_folders_of_old_sessions_go_and_nothing_outside_of_them(tmp_path: Path) -> None:
    root, outside = tmp_path / "sessions", tmp_path / "outside"
    outside.mkdir()
    for name in ("old", "old-but-alive", "new", "written-lately"):
        (root / name / "attempts" / "1").mkdir(parents=True)
        (root / name / "attempts" / "1" / "stream.jsonl").write_text("x")
        (root / name / "work").symlink_to(outside)
    (root / "link").symlink_to(outside)
    old = (datetime.now(UTC) - timedelta(days=100)).timestamp()
    for name in ("old", "old-but-alive", "written-lately"):
        for path in (root / name / "attempts" / "1" / "stream.jsonl", root / name / "attempts" / "1", root / name):
            if not (name == "written-lately" and path.name == "stream.jsonl"):
                os.utime(path, (old, old))
    before = datetime.now(UTC) - timedelta(days=90)
    assert await SessionFolders(root).prune(before, frozenset({SessionId("old-but-alive")})) == 1
    assert {p.name for p in root.iterdir()} == {"old-but-alive", "new", "written-lately", "link"}
    assert outside.is_dir()


async def test_regular_looks_are_scheduled_only_where_the_owner_asks_for_them() -> None:
    async with dev_server() as (client, _):
        now = datetime.now(UTC)
        await seed(client, load({"TIERCEL_LOOK_EVERY_S": "3600"}), now)
        described = await client.get_schedule_handle(SCHEDULE_LOOK).describe()
        assert [i.every for i in described.schedule.spec.intervals] == [timedelta(hours=1)]
        for _ in range(2):
            await seed(client, load({}), now)
        with pytest.raises(Exception, match="not found"):
            await client.get_schedule_handle(SCHEDULE_LOOK).describe()
