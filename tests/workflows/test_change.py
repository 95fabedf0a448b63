"""The third answer: a person changes the action. Judged again, performed once; the one that was asked for never is."""

import asyncio
from typing import Any

import pytest

from adapters.database.reads import Reads
from domain.action import ActionKind, ActionState, CooldownClass
from domain.ids import PermitId, ServiceId
from domain.incident import Approval, ApprovalState, Change, Decision, DecisionAnswer, EscalationView, IncidentState
from domain.ledger import CooldownRule, PermitRequest
from domain.session import SessionOrder, SessionOutcome
from tests.support.engine_room import Desk, DirectLedger, Room
from tests.workflows.test_escalation import result_of, wait_for_state

pytestmark = [pytest.mark.postgres, pytest.mark.temporal]
CHANGE = Change(kind="start", target="LOCAL/database")


@pytest.fixture
async def waiting(room: Room) -> tuple[Room, object, Approval, list[str]]:
    """A session that waits for a person's yes to `restart local/web`; `heard` is what it is told afterwards."""
    room.world.services[1] = room.world.services[1].model_copy(update={"approval": (ActionKind.RESTART,)})
    await room.save_inventory()
    room.world.down.add("local/web")

    def heals(_: object) -> bool:
        room.world.down.clear()  # the app recovers with what it needs
        return True

    room.world.heals = heals
    heard: list[str] = []

    async def parks(desk: Desk, order: SessionOrder) -> SessionOutcome:
        request = desk.request("restart", "local/web", "toolu_approval")
        answer = await desk.consider(request)
        if answer.decision == "defer":
            return desk.parked(request)
        heard.append(answer.message)
        if answer.decision == "allow":
            answers = await asyncio.gather(desk.act(request), desk.act(request))
            heard.extend(a.message for a in answers)
        return desk.report(answer.message, escalate=False)

    room.scripts[2] = parks
    handle = await room.escalate(room.alert("local/web"))
    view = await wait_for_state(handle, IncidentState.WAITING)
    return room, handle, view.approvals[0], heard


async def decide(handle: object, approval: Approval, change: Change | None, actor: str = "anna") -> DecisionAnswer:
    decision = Decision(
        approval=approval.id, digest=approval.digest, approve=True, actor=actor, change=change, how="session"
    )
    return await handle.execute_update("decide", decision, result_type=DecisionAnswer)  # type: ignore[attr-defined]


async def test_the_changed_action_is_performed_once_and_the_one_that_was_asked_for_never(
    waiting: tuple[Room, object, Approval, list[str]],
) -> None:
    room, handle, approval, heard = waiting
    answer = await decide(handle, approval, CHANGE)
    assert (answer.accepted, answer.message) == (True, "changed by anna to: start local/database")
    late = await decide(handle, approval, None, "bert")
    assert (late.accepted, late.decided_by) == (False, "anna")
    assert "already changed by anna at" in late.message
    assert late.message.endswith("to: start local/database")
    assert (await result_of(handle)).state == IncidentState.RESOLVED
    assert [(a.kind, a.target) for a in room.world.performed] == [("start", "local/database")]
    assert heard[0] == "changed by anna to: start local/database"
    assert heard[1] == heard[2] == "changed by anna to: start local/database. done: start done"
    view: EscalationView = await handle.query("view", result_type=EscalationView)  # type: ignore[attr-defined]
    assert {(a.exact, a.state) for a in view.actions} == {
        ("restart local/web", ActionState.CHANGED),
        ("start local/database", ActionState.DONE),
    }
    (kept,) = await room.approvals()
    assert (kept.state, kept.decided_by, kept.decided_how) == (ApprovalState.CHANGED, "anna", "session")
    assert kept.changed_to is not None
    assert kept.changed_to.id != kept.action.id
    assert kept.changed_blast is not None
    assert "local/web" in kept.changed_blast.dependents
    (told,) = [row for row in (await Reads(room.pool).audit()).rows if row.action == "approval.changed"]
    assert (told.actor, told.detail["asked_for"], told.detail["how"]) == ("anna", "restart local/web", "session")
    allowed: Any = told.detail["changed_to"]
    assert allowed["exact"] == "start local/database"
    assert allowed["digest"] == kept.changed_to.digest != kept.digest
    states = {a.exact: a.state for a in await room.actions()}
    assert states == {"restart local/web": ActionState.CHANGED, "start local/database": ActionState.DONE}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (Change(kind="rm", target="local/web"), "there is no action 'rm'"),
        (Change(kind="recreate", target="local/web"), "tier 2 may not recreate"),
        (Change(kind="restart", target="nowhere"), "is not one service of the inventory"),
        (Change(kind="restart", target="local/other"), "has no part in this incident"),
        (Change(kind="restart", target="local/web", params={"stop_wait_s": 5}), "takes no params here"),
        (Change(kind="restart", target="WWW"), "that is the action that was asked for"),
    ],
)
async def test_a_change_that_breaks_a_rule_is_refused_with_the_rule_and_the_question_stays(
    waiting: tuple[Room, object, Approval, list[str]], change: Change, why: str
) -> None:
    room, handle, approval, _ = waiting
    answer = await decide(handle, approval, change)
    assert (answer.accepted, answer.state) == (False, ApprovalState.PENDING)
    assert why in answer.message
    assert (await room.approvals()) == [approval]
    assert (await decide(handle, approval, None)).accepted
    assert (await result_of(handle)).state == IncidentState.RESOLVED
    assert [(a.kind, a.target) for a in room.world.performed] == [("restart", "local/web")]


async def test_a_change_that_its_limit_forbids_is_refused_before_anybody_believes_in_it(
    waiting: tuple[Room, object, Approval, list[str]],
) -> None:
    room, handle, approval, _ = waiting
    ledger = DirectLedger(room.client)
    rule = CooldownRule(limit=2, window_s=14_400)
    for number in (1, 2):
        permit = PermitRequest(
            id=PermitId(f"prm_{number}"), service=ServiceId("local/database"), kind=ActionKind.RESTART,
            cooldown_class=CooldownClass.RESTART, rule=rule, holder="another incident",
        )  # fmt: skip
        assert (await ledger.acquire(permit)).granted
    answer = await decide(handle, approval, CHANGE)
    assert (answer.accepted, answer.state) == (False, ApprovalState.PENDING)
    assert "2 of 2 restart permits" in answer.message
    assert "The next slot is free at" in answer.message
    assert (await room.approvals()) == [approval]
    assert (await decide(handle, approval, None)).accepted
    assert (await result_of(handle)).state == IncidentState.RESOLVED


async def test_of_two_changes_at_once_one_wins(waiting: tuple[Room, object, Approval, list[str]]) -> None:
    room, handle, approval, _ = waiting
    other = Change(kind="restart", target="local/database")
    answers = await asyncio.gather(
        decide(handle, approval, CHANGE), decide(handle, approval, other, "bert"), decide(handle, approval, None, "eve")
    )
    assert sorted(a.accepted for a in answers) == [False, False, True]
    winner = next(a for a in answers if a.accepted)
    assert {a.decided_by for a in answers} == {winner.decided_by}
    await result_of(handle)
    assert len(room.world.performed) == 1
