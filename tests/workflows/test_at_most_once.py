"""An effect happens at most once, with a permit and a record, whatever dies or ends around it."""

import asyncio

import pytest
from temporalio.testing import ActivityEnvironment

from activities.actions import ActionActivities
from adapters.database.health import HealthStore
from adapters.database.incidents import IncidentStore
from adapters.database.pool import Pool
from domain.action import Action, ActionAnswer, ActionKind, ActionState, CooldownClass, Risk
from domain.ids import ActionId, IncidentId, ServiceId, SessionId
from domain.incident import CloseRequest, EscalationView, IncidentState
from domain.notice import NoticeKind
from domain.session import SessionOrder, SessionOutcome
from domain.work import PerformOrder
from tests.support.engine_room import Desk, Room
from tests.support.world import World
from tests.workflows.test_escalation import eventually, result_of, wait_for_state

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]


def an_action(world: World) -> Action:
    return Action(
        id=ActionId("act_1"),
        incident=IncidentId("inc_1"),
        session=SessionId("s"),
        tool_use_id="toolu_1",
        tier=2,
        kind=ActionKind.RESTART,
        target=ServiceId("local/web"),
        risk=Risk.LOW,
        reversible=False,
        cooldown_class=CooldownClass.RESTART,
        state=ActionState.PERMITTED,
        requested_at=world.now(),
    )


async def hands(pool: Pool, world: World, *, dry_run: bool = False) -> tuple[ActionActivities, IncidentStore]:
    records = IncidentStore(pool)
    health = HealthStore(pool)
    await health.save_inventory(await world.read(), world.now())
    return ActionActivities(world, world, health, records, world, dry_run=dry_run), records


async def test_an_attempt_that_was_given_up_can_no_longer_act(pool: Pool, world: World) -> None:
    """Its worker was cut off; the workflow wrote the outcome down as unknown and has looked already."""
    activities, records = await hands(pool, world)
    action = an_action(world)
    await records.save_action(action)
    await records.save_action(action.model_copy(update={"state": ActionState.UNKNOWN}))
    performed = await ActivityEnvironment().run(activities.perform, PerformOrder(action=action))
    assert (performed.result.state, world.performed) == (ActionState.FAILED, [])


async def test_without_a_record_of_its_permit_nothing_is_done(pool: Pool, world: World) -> None:
    activities, _ = await hands(pool, world)
    performed = await ActivityEnvironment().run(activities.perform, PerformOrder(action=an_action(world)))
    assert (performed.result.state, world.performed) == (ActionState.FAILED, [])


async def test_dry_run_holds_where_effects_are_performed(pool: Pool, world: World) -> None:
    """The incident was opened before the owner switched to dry run."""
    activities, records = await hands(pool, world, dry_run=True)
    await records.save_action(an_action(world))
    performed = await ActivityEnvironment().run(activities.perform, PerformOrder(action=an_action(world)))
    assert (performed.result.state, world.performed) == (ActionState.DRY_RUN, [])


async def test_an_outcome_that_nobody_can_look_up_is_told_and_the_same_call_is_not_repeated(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.heals = lambda _: False
    room.world.interrupt_next = "dies"
    room.world.blind = True
    answers: list[ActionAnswer] = []

    async def asks_twice(desk: Desk, order: SessionOrder) -> SessionOutcome:
        del order
        request = desk.request("restart", "web", "toolu_same")
        answers.extend([await desk.act(request), await desk.act(request)])
        return desk.report()

    room.scripts[2] = asks_twice
    await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
    assert [a.state for a in answers] == [ActionState.UNKNOWN] * 2
    assert len(room.world.performed) == 1
    await eventually(lambda: any("not known" in n.title and n.kind == NoticeKind.BROKEN for n in room.world.told))


async def test_a_wish_whose_session_has_ended_meanwhile_is_not_performed(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.heals = lambda _: False
    room.world.effect_waits = asyncio.Event()
    late: list[asyncio.Task[ActionAnswer]] = []

    async def ends_early(desk: Desk, order: SessionOrder) -> SessionOutcome:
        del order
        for kind in ("restart", "reload_config"):
            late.append(asyncio.create_task(desk.act(desk.request(kind, "web"))))
            await asyncio.sleep(0.5)
        return desk.report()

    room.scripts[2] = ends_early
    room.scripts[3] = lambda desk, _: _open_the_gate(room, desk)
    handle = await room.escalate(room.alert("local/web"))
    await eventually(lambda: len(late) == 2)
    await asyncio.sleep(1.5)
    assert [o.tier.tier for o in room.orders] == [1, 2], "the next tier began while an effect was under way"
    room.world.effect_waits.set()
    first, second = await asyncio.gather(*late)
    assert (first.state, second.state) == (ActionState.DONE, ActionState.REFUSED)
    await wait_for_state(handle, IncidentState.NEEDS_PERSON)
    assert [a.kind for a in room.world.performed] == ["restart"]


async def _open_the_gate(room: Room, desk: Desk) -> SessionOutcome:
    assert room.world.effect_waits is not None
    room.world.effect_waits.set()
    return desk.report()


async def test_closing_lets_the_effect_under_way_end_and_begins_no_other(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.effect_waits = asyncio.Event()

    async def two(desk: Desk, order: SessionOrder) -> SessionOutcome:
        del order
        wishes = [desk.act(desk.request(kind, "web")) for kind in ("restart", "reload_config")]
        await asyncio.gather(*wishes)
        return desk.report()

    room.scripts[2] = two
    handle = await room.escalate(room.alert("local/web"))
    await eventually(lambda: room.world.begun == 1)
    await handle.execute_update("close", CloseRequest(actor="alice", reason="I do it"))
    room.world.effect_waits.set()
    assert (await result_of(handle)).state == IncidentState.CANCELLED
    view = await handle.query("view", result_type=EscalationView)
    assert len(room.world.performed) == 1
    assert sorted(a.state for a in view.actions if a.state != ActionState.REFUSED) == [ActionState.DONE]
