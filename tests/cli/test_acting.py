"""Commands that act, against real workflows: what they say, what they leave behind, and their exit codes."""

import asyncio

from cli.exits import Exit
from domain.ids import ServiceId
from domain.session import SessionOrder, SessionOutcome
from tests.support.commands import Shell
from tests.support.engine_room import Desk, Room


async def healthy(desk: Desk, order: SessionOrder) -> SessionOutcome:
    del order
    return desk.report("all is well", escalate=False)


async def wants_the_database_restarted(desk: Desk, order: SessionOrder) -> SessionOutcome:
    """Asks once, is parked, and acts when it goes on."""
    request = desk.request("restart", "database", tool_use_id="toolu_db")
    if order.resume != "deferred":
        assert (await desk.consider(request)).decision == "defer"
        return desk.parked(request)
    answer = await desk.act(request) if (await desk.consider(request)).decision == "allow" else None
    return desk.report(answer.message if answer else "denied", escalate=answer is None)


async def the_waiting_one(shell: Shell) -> str:
    """The approval that waits, as soon as it does."""
    while True:
        waits = (await shell("approve", "-o", "json")).json
        if waits:
            return str(waits[0]["id"])
        await asyncio.sleep(0.1)


async def test_a_look_is_started_waited_for_and_read(at_work: tuple[Room, Shell]) -> None:
    room, tiercel = at_work
    room.scripts[1] = healthy
    said = await tiercel("run", "is it well?", "--service", "WWW", "--wait", "--timeout", "60", "-o", "json")
    assert said.code == Exit.OK
    assert said.json["accepted"] is True
    incident = said.json["incident"]
    assert f"{incident}: reported: all is well" in said.err
    shown = (await tiercel("show", incident, "-o", "json")).json
    assert (shown["row"]["service"], shown["row"]["state"]) == ("local/web", "reported")
    assert room.orders[0].prompt == "is it well?"
    done = await tiercel("logs", "-f", incident)
    assert done.code == Exit.OK, "following an incident that is over ends"


async def test_waiting_can_end_before_the_incident_does(at_work: tuple[Room, Shell]) -> None:
    room, tiercel = at_work
    hold = asyncio.Event()

    async def slow(desk: Desk, order: SessionOrder) -> SessionOutcome:
        del order
        await hold.wait()
        return desk.report("late", escalate=False)

    room.scripts[1] = slow
    said = await tiercel("run", "look", "--service", "web", "--wait", "--timeout", "0.5")
    assert said.code == Exit.TIMED_OUT
    assert "it goes on" in said.err
    joined = await tiercel("run", "me too", "--service", "web", "-o", "json")
    assert joined.code == Exit.REFUSED
    assert joined.json["accepted"] is False
    assert "already open" in joined.json["message"]
    hold.set()


async def test_an_approval_is_given_once_and_the_second_is_told_by_whom(at_work: tuple[Room, Shell]) -> None:
    room, tiercel = at_work
    room.world.down.add(ServiceId("local/database"))
    room.scripts[2] = wants_the_database_restarted
    await room.escalate(room.alert("local/database"))
    approval = await the_waiting_one(tiercel)
    listed = await tiercel("approve")
    assert "restart local/database" in listed.out
    given = await tiercel("approve", approval, "--reason", "backup is fresh")
    assert given.code == Exit.OK
    again = await tiercel("deny", approval, "--reason", "too late")
    assert again.code == Exit.REFUSED
    assert again.out.startswith("Already approved by")
    while not room.world.performed:
        await asyncio.sleep(0.05)
    assert [a.kind for a in room.world.performed] == ["restart"]
    assert "Nothing waits for you." in (await tiercel("approve")).err


async def test_a_denial_reaches_the_session_with_its_reason(at_work: tuple[Room, Shell]) -> None:
    room, tiercel = at_work
    room.world.down.add(ServiceId("local/database"))
    room.scripts[2] = wants_the_database_restarted
    handle = await room.escalate(room.alert("local/database"))
    denied = await tiercel("deny", await the_waiting_one(tiercel), "-r", "not during the fair", "-o", "json")
    assert (denied.code, denied.json["accepted"]) == (Exit.OK, True)
    shown = await tiercel("show", denied.json["incident"], "-o", "json")
    assert [a["reason"] for a in shown.json["approvals"]] == ["not during the fair"]
    while not any(o.tier.tier == 3 for o in room.orders):
        await asyncio.sleep(0.05)
    assert room.world.performed == []
    await handle.terminate("test is over")


async def test_a_change_is_judged_by_the_rules_and_done_instead(at_work: tuple[Room, Shell]) -> None:
    room, tiercel = at_work
    room.world.down.add(ServiceId("local/database"))
    room.scripts[2] = wants_the_database_restarted
    await room.escalate(room.alert("local/database"))
    approval = await the_waiting_one(tiercel)
    wrong = await tiercel("change", approval, "--to", "recreate local/database")
    assert (wrong.code, "Tier 2 may not recreate" in wrong.out) == (Exit.REFUSED, True)
    changed = await tiercel("change", approval, "--to", "start database", "-r", "it is stopped")
    assert (changed.code, changed.out.strip()) == (Exit.OK, "Changed to start database. The session goes on now.")
    while not room.world.performed:
        await asyncio.sleep(0.05)
    assert [(a.kind, a.target) for a in room.world.performed] == [("start", "local/database")]


async def test_a_patrol_without_a_schedule_is_a_refusal_that_says_why(at_work: tuple[Room, Shell]) -> None:
    _, tiercel = at_work
    said = await tiercel("run")
    assert said.code == Exit.REFUSED
    assert "the worker creates it when it starts" in said.out


async def test_snooze_maintenance_and_reset_reach_the_ledger_under_any_spelling(at_work: tuple[Room, Shell]) -> None:
    _, tiercel = at_work
    assert (await tiercel("cooldown", "snooze", "WWW", "-m", "90", "-r", "noisy")).code == Exit.OK
    assert (await tiercel("cooldown", "maintenance", "web", "-r", "new disk")).code == Exit.OK
    assert (await tiercel("cooldown", "reset", "local/web", "-r", "new disk is in")).code == Exit.OK
    (web,) = (await tiercel("cooldown", "-o", "json")).json
    assert web["service"] == "local/web"
    assert {n["kind"]: n["reason"] for n in web["notes"]} == {
        "snooze": "noisy", "maintenance": "new disk", "reset": "new disk is in",
    }  # fmt: skip
    blank = await tiercel("cooldown", "reset", "web", "-r", "  ")
    assert blank.code == Exit.REFUSED
    assert "Say why" in blank.out


async def test_all_sessions_are_paused_and_resumed_with_a_reason(at_work: tuple[Room, Shell]) -> None:
    room, tiercel = at_work
    room.scripts[1] = healthy
    assert (await tiercel("budget", "pause", "--reason", " ")).code == Exit.REFUSED
    paused = await tiercel("budget", "pause", "--reason", "on holiday")
    assert (paused.code, "paused" in paused.out) == (Exit.OK, True)
    assert (await tiercel("budget", "pause", "--reason", "again")).code == Exit.REFUSED
    shown = await tiercel("budget")
    assert "none; set TIERCEL_BUDGET_DAY_USD" in shown.out
    assert "on holiday" in shown.err
    whole = (await tiercel("budget", "-o", "json")).json
    assert (whole["note"]["paused"], whole["note"]["reason"]) == (True, "on holiday")
    assert [w["window"]["kind"] for w in whole["windows"]] == ["day", "month"]
    said = await tiercel("run", "is it well?", "--wait", "--timeout", "60", "-o", "json")
    assert room.orders == [], f"no session began: {said.out}"
    assert (await tiercel("budget", "resume", "--reason", "back")).code == Exit.OK
    assert (await tiercel("run", "is it well?", "--wait", "--timeout", "60")).code == Exit.OK
