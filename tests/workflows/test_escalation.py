"""An incident from alert to end: what is done, what is proven, who is told."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from domain.action import Action, ActionKind, ActionState
from domain.incident import CloseRequest, Decision, DecisionAnswer, EscalationResult, EscalationView, IncidentState
from domain.notice import NoticeKind
from domain.session import SessionOrder, SessionOutcome, SessionStatus
from tests.support.engine_room import QUICK, Desk, Room

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]


def acts(kind: str, target: str) -> Callable[[Desk, SessionOrder], Awaitable[SessionOutcome]]:
    """A session that asks for one action and says that all is well."""

    async def script(desk: Desk, order: SessionOrder) -> SessionOutcome:
        del order
        request = desk.request(kind, target)
        if (await desk.consider(request)).decision == "allow":
            await desk.act(request)
        return desk.report("done", escalate=False)

    return script


async def result_of(handle: object) -> EscalationResult:
    return EscalationResult.model_validate(await asyncio.wait_for(handle.result(), 30))  # type: ignore[attr-defined]


async def test_a_fix_that_the_probes_confirm_resolves_the_incident(room: Room) -> None:
    room.world.down.add("local/web")
    room.scripts[2] = acts("restart", "WWW")
    result = await result_of(await room.escalate(room.alert("local/web")))
    assert (result.state, result.tier) == (IncidentState.RESOLVED, 2)
    assert [(a.kind, a.target) for a in room.world.performed] == [("restart", "local/web")]
    assert [o.tier.tier for o in room.orders] == [1, 2]
    assert {n.kind for n in room.world.told} == {NoticeKind.REMEDIATED}


async def test_a_claimed_fix_that_the_probes_do_not_confirm_climbs_and_ends_with_a_person(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.heals = lambda _: False
    room.scripts[2] = acts("restart", "local/web")
    room.scripts[3] = acts("recreate", "local/web")
    handle = await room.escalate(room.alert("local/web"))
    await wait_for_state(handle, IncidentState.NEEDS_PERSON)
    assert [o.tier.tier for o in room.orders] == [1, 2, 3]
    await eventually(lambda: any(n.kind == NoticeKind.NEEDS_PERSON and "no answer" in n.body for n in room.world.told))
    room.world.down.clear()  # the person repairs it
    assert (await result_of(handle)).state == IncidentState.RESOLVED


async def test_a_service_that_heals_itself_costs_nothing(room: Room) -> None:
    result = await result_of(await room.escalate(room.alert("local/web")))
    assert result.state == IncidentState.SELF_HEALED
    assert not room.orders
    assert not room.world.performed
    assert not room.world.told


async def test_dry_run_decides_and_performs_nothing(room: Room) -> None:
    room.world.down.add("local/web")
    room.scripts[2] = acts("restart", "web")
    handle = await room.escalate(room.alert("local/web"), dry_run=True)
    await wait_for_state(handle, IncidentState.NEEDS_PERSON)
    assert not room.world.performed
    view = await handle.query("view", result_type=EscalationView)
    assert {a.state for a in view.actions} == {ActionState.DRY_RUN}


@pytest.mark.parametrize("moment", ["before", "after", "dies"])
async def test_an_unknown_outcome_is_looked_up_and_never_repeated(room: Room, moment: str) -> None:
    room.world.down.add("local/web")
    room.world.interrupt_next = moment
    room.scripts[2] = acts("restart", "web")
    handle = await room.escalate(room.alert("local/web"))
    if moment != "before":
        assert (await result_of(handle)).state == IncidentState.RESOLVED
        assert len(room.world.performed) == 1
    else:
        await wait_for_state(handle, IncidentState.NEEDS_PERSON)
        assert not room.world.performed
    view = await handle.query("view", result_type=EscalationView)
    assert [a.state for a in view.actions] == [ActionState.DONE if moment != "before" else ActionState.FAILED]


async def test_the_same_tool_call_is_the_same_action(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.heals = lambda _: False

    async def twice(desk: Desk, order: SessionOrder) -> SessionOutcome:
        request = desk.request("restart", "web", "toolu_same")
        answers = await asyncio.gather(desk.act(request), desk.act(request))
        assert answers[0] == answers[1]
        return desk.report()

    room.scripts[2] = twice
    await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
    assert len(room.world.performed) == 1


async def test_an_approved_action_runs_once_and_the_second_answer_is_told_who_was_first(room: Room) -> None:
    room.world.services[1] = room.world.services[1].model_copy(update={"approval": (ActionKind.RESTART,)})
    await room.save_inventory()
    room.world.down.add("local/web")
    room.scripts[2] = parks_on_approval
    handle = await room.escalate(room.alert("local/web"))
    view = await wait_for_state(handle, IncidentState.WAITING)
    approval = view.approvals[0]
    decision = Decision(approval=approval.id, digest=approval.digest, approve=True, actor="alice")
    wrong = await handle.execute_update(
        "decide", decision.model_copy(update={"digest": "0" * 64}), result_type=DecisionAnswer
    )
    assert not wrong.accepted
    first = await handle.execute_update("decide", decision, result_type=DecisionAnswer)
    second = await handle.execute_update(
        "decide", decision.model_copy(update={"actor": "bob", "approve": False}), result_type=DecisionAnswer
    )
    assert first.accepted
    assert (second.accepted, second.decided_by) == (False, "alice")
    assert (await result_of(handle)).state == IncidentState.RESOLVED
    assert len(room.world.performed) == 1
    assert [o.resume for o in room.orders] == ["", "", "deferred"]


async def test_a_denied_or_expired_approval_is_not_performed(room: Room) -> None:
    room.world.services[1] = room.world.services[1].model_copy(update={"approval": (ActionKind.RESTART,)})
    await room.save_inventory()
    room.world.down.add("local/web")
    room.scripts[2] = parks_on_approval
    handle = await room.escalate(room.alert("local/web"), QUICK.model_copy(update={"approval_timeout_s": 1.0}))
    await wait_for_state(handle, IncidentState.NEEDS_PERSON)
    assert not room.world.performed
    view = await handle.query("view", result_type=EscalationView)
    assert [a.state for a in view.approvals] == ["expired"]


async def test_what_was_allowed_says_that_it_was_not_done_where_no_money_is_left_for_its_session(room: Room) -> None:
    room.world.services[1] = room.world.services[1].model_copy(update={"approval": (ActionKind.RESTART,)})
    await room.save_inventory()
    room.world.down.add("local/web")

    async def cannot_go_on(desk: Desk, order: SessionOrder) -> SessionOutcome:
        if order.resume == "":
            return await parks_on_approval(desk, order)
        return desk.ended(SessionStatus.REFUSED, "over the day's budget").model_copy(update={"bound": "budget"})

    room.scripts[2] = cannot_go_on
    handle = await room.escalate(room.alert("local/web"))
    approval = (await wait_for_state(handle, IncidentState.WAITING)).approvals[0]
    decision = Decision(approval=approval.id, digest=approval.digest, approve=True, actor="alice")
    assert (await handle.execute_update("decide", decision, result_type=DecisionAnswer)).accepted
    view = await wait_for_state(handle, IncidentState.NEEDS_PERSON)
    said = "allowed by alice, but nothing was done: its session did not go on: over the day's budget"
    assert [(a.state, a.message) for a in view.actions] == [("expired", said)]
    rows = await room.pool.rows("list_timeline", {"incident": "inc_1", "limit": 100})
    assert f"restart local/web was {said}" in {row[4] for row in rows}
    assert not room.world.performed


async def parks_on_approval(desk: Desk, order: SessionOrder) -> SessionOutcome:
    """Asks the gate; deferred, it parks; resumed, it asks again and follows the answer."""
    request = desk.request("restart", "local/web", "toolu_approval")
    answer = await desk.consider(request)
    if answer.decision == "defer":
        return desk.parked(request)
    if answer.decision == "allow":
        await desk.act(request)
    return desk.report(answer.message, escalate=order.resume == "")


async def test_wishes_outside_the_rules_are_refused_with_the_reason(room: Room) -> None:
    room.world.down.add("local/web")
    heard: list[str] = []

    async def asks(desk: Desk, order: SessionOrder) -> SessionOutcome:
        for kind, target in [("rm -rf", "web"), ("restart", "nowhere"), ("restart", "other"), ("recreate", "web")]:
            answer = await desk.act(desk.request(kind, target))
            assert answer.decision == "deny"
            heard.append(answer.message)
        stranger = desk.request("restart", "web").model_copy(update={"session": "another"})
        heard.append((await desk.act(stranger)).message)
        return desk.report()

    room.scripts[2] = asks
    await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
    assert not room.world.performed
    for words, said in zip(
        ("no action", "not one service", "no part", "tier 2 may not", "not the one"), heard, strict=True
    ):
        assert words in said


async def test_a_healthy_service_is_not_touched(room: Room) -> None:
    room.world.down.add("local/web")

    async def late(desk: Desk, order: SessionOrder) -> SessionOutcome:
        room.world.down.clear()
        answer = await desk.act(desk.request("restart", "web"))
        assert "green" in answer.message
        return desk.report(escalate=False)

    room.scripts[2] = late
    result = await result_of(await room.escalate(room.alert("local/web")))
    assert result.state == IncidentState.SELF_HEALED
    assert not room.world.performed


async def test_the_limit_refuses_with_the_next_slot_and_somebody_is_told(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.heals = lambda _: False
    answers: list[str] = []

    async def three(desk: Desk, order: SessionOrder) -> SessionOutcome:
        spellings = ("web", "WWW", "local/web")
        answers.extend([(await desk.act(desk.request("restart", s))).message for s in spellings])
        return desk.report()

    room.scripts[2] = three
    await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
    assert len(room.world.performed) == 2
    assert "next slot at" in answers[2]
    await eventually(lambda: any(n.kind == NoticeKind.REFUSED for n in room.world.told))


async def test_more_alerts_join_the_open_incident(room: Room) -> None:
    room.world.down.add("local/web")
    done = asyncio.Event()

    async def slow(desk: Desk, order: SessionOrder) -> SessionOutcome:
        await done.wait()
        return desk.report()

    room.scripts[1] = slow
    room.scripts[2] = acts("restart", "web")
    handle = await room.escalate(room.alert("local/web"))
    for _ in range(20):
        await room.escalate(room.alert("local/web", "local/worker"))
    done.set()
    assert (await result_of(handle)).state == IncidentState.RESOLVED
    view = await handle.query("view", result_type=EscalationView)
    assert view.alerts_joined == 20
    assert len({o.incident for o in room.orders}) == 1


async def test_a_person_can_close_it_and_the_session_is_stopped(room: Room) -> None:
    room.world.down.add("local/web")
    stopped = asyncio.Event()

    async def endless(desk: Desk, order: SessionOrder) -> SessionOutcome:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.set()
            raise
        return desk.report()

    room.scripts[1] = endless
    handle = await room.escalate(room.alert("local/web"))
    await eventually(lambda: bool(room.orders))
    await handle.execute_update("close", CloseRequest(actor="alice", reason="I do it"))
    assert (await result_of(handle)).state == IncidentState.CANCELLED


@pytest.mark.parametrize(
    ("status", "tiers"),
    [
        (SessionStatus.INVALID, [1, 2, 3]),
        (SessionStatus.LIMIT, [1, 2, 3]),
        (SessionStatus.AUTH, [1]),
        (SessionStatus.REFUSED, [1]),
    ],
)
async def test_sessions_without_a_report_climb_or_call_a_person(
    room: Room, status: SessionStatus, tiers: list[int]
) -> None:
    room.world.down.add("local/web")

    async def fails(desk: Desk, order: SessionOrder) -> SessionOutcome:
        return desk.ended(status, "for this reason")

    room.scripts = dict.fromkeys((1, 2, 3), fails)
    await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
    assert [o.tier.tier for o in room.orders] == tiers
    await eventually(lambda: bool(room.world.told))


async def test_a_session_without_money_is_told_to_people_and_the_next_tier_goes_on(room: Room) -> None:
    room.world.down.add("local/web")

    async def poor(desk: Desk, order: SessionOrder) -> SessionOutcome:
        ended = desk.ended(SessionStatus.LIMIT, "Budget exhausted: give it more.")
        return ended.model_copy(update={"bound": "money"})

    room.scripts[1] = poor
    room.scripts[2] = acts("restart", "web")
    assert (await result_of(await room.escalate(room.alert("local/web")))).state == IncidentState.RESOLVED
    [told] = [n for n in room.world.told if "budget" in n.key]
    assert told.title == "local/web: budget of tier 1 exhausted"
    assert "Budget exhausted" in told.body


async def test_a_crashed_session_is_resumed_and_a_busy_server_is_waited_for(room: Room) -> None:
    room.world.down.add("local/web")

    async def stumbles(desk: Desk, order: SessionOrder) -> SessionOutcome:
        if order.attempt == 1:
            return desk.ended(SessionStatus.FAILED, "killed")
        if order.attempt == 2:
            return desk.ended(SessionStatus.RETRY_LATER, "overloaded", 0.2)
        return await acts("restart", "web")(desk, order)

    room.scripts[2] = stumbles
    assert (await result_of(await room.escalate(room.alert("local/web")))).state == IncidentState.RESOLVED
    assert [(o.attempt, o.resume) for o in room.orders if o.tier.tier == 2] == [
        (1, ""),
        (2, "interrupted"),
        (3, "interrupted"),
    ]
    assert len({o.session for o in room.orders if o.tier.tier == 2}) == 1


async def test_a_fix_that_does_not_last_climbs_to_the_next_tier(room: Room) -> None:
    room.world.down.add("local/web")
    room.world.heals = lambda _: True

    def relapse(world: object) -> None:
        watched = [a for a in room.world.performed if a.kind == "restart"]
        if watched and room.world.probes_run == relapse_at[0]:
            room.world.down.add("local/web")

    relapse_at = [0]

    async def restart(desk: Desk, order: SessionOrder) -> SessionOutcome:
        outcome = await acts("restart", "web")(desk, order)
        relapse_at[0] = room.world.probes_run + 6
        return outcome

    room.world.on_probe = relapse
    room.scripts[2] = restart
    room.scripts[3] = acts("recreate", "web")
    result = await result_of(
        await room.escalate(room.alert("local/web"), QUICK.model_copy(update={"rechecks_s": (0.2, 0.4, 0.6, 0.8)}))
    )
    assert (result.state, result.tier) == (IncidentState.RESOLVED, 3)
    kinds: list[Action] = room.world.performed
    assert [a.kind for a in kinds] == ["restart", "recreate"]


async def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


async def wait_for_state(handle: object, state: IncidentState) -> EscalationView:
    seen: list[IncidentState] = []
    for _ in range(400):
        view: EscalationView = await handle.query("view", result_type=EscalationView)  # type: ignore[attr-defined]
        if view.state == state:
            return view
        seen = [*seen, view.state][-3:]
        await asyncio.sleep(0.05)
    raise AssertionError(f"never {state}: {seen}")
