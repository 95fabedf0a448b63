"""A wall that is not as it must be is no accident of one session: it is told once, and no other session is tried."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.containers import sandbox
from adapters.containers.process import ProcessEngine
from adapters.database.reads import Reads
from claude.result import classify
from domain.incident import IncidentState
from domain.notice import NoticeKind
from domain.session import SessionOrder, SessionOutcome
from tests.adapters.containers.conftest import SHELL, Bench
from tests.support.engine_room import Desk, Room
from tests.workflows.test_escalation import eventually, wait_for_state

pytestmark = [pytest.mark.postgres, pytest.mark.temporal, pytest.mark.isolation]


@dataclass
class Walled:
    """Sessions of the real process engine, with `sh` in the place of the CLI."""

    bench: Bench

    async def session(self, desk: Desk, order: SessionOrder) -> SessionOutcome:
        """As the session activity does it: start, wait for the end, tell what came of it."""
        state, said = await self.bench.run("echo started")
        assert said == ""
        told = classify(None, state)
        return desk.ended(told.status, told.message).model_copy(update={"bound": told.bound})


@pytest.fixture
async def walled(tmp_path: Path) -> Walled:
    engine = ProcessEngine(tmp_path / "sessions", tmp_path / "cache", SHELL)
    isolation = await engine.isolation()
    if not isolation.isolated:
        pytest.skip(isolation.how)
    return Walled(Bench(engine, tmp_path / "sessions", lambda **_: engine))


@pytest.mark.parametrize(("text", "found"), [("{}", "not those of this version"), (None, "cannot be read")])
async def test_a_session_without_its_fences_is_told_once_and_not_followed_by_another(
    room: Room, walled: Walled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, found: str
) -> None:
    managed = tmp_path / "managed-settings.json"
    managed.write_text(text or "", encoding="utf-8")
    monkeypatch.setattr(sandbox, "RULES", managed if text else tmp_path / "none")
    room.world.down.add("local/web")
    room.scripts = dict.fromkeys((1, 2, 3), walled.session)
    view = await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
    assert [(o.tier.tier, o.attempt) for o in room.orders] == [(1, 1)]
    assert found in view.summary
    await eventually(lambda: {n.kind for n in room.world.told} == {NoticeKind.BROKEN, NoticeKind.NEEDS_PERSON})
    [told] = [n for n in room.world.told if n.kind == NoticeKind.BROKEN]
    assert found in told.body
    assert "restore deploy/session of this installation" in told.body
    [entry] = [row for row in (await Reads(room.pool).audit()).rows if row.action == "session.refused"]
    assert found in str(entry.detail)


async def test_fences_that_break_later_end_the_climb_there(
    room: Room, walled: Walled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.world.down.add("local/web")

    async def second(desk: Desk, order: SessionOrder) -> SessionOutcome:
        monkeypatch.setattr(sandbox, "RULES", tmp_path / "none")
        return await walled.session(desk, order)

    room.scripts[2] = second
    await wait_for_state(await room.escalate(room.alert("local/web")), IncidentState.NEEDS_PERSON)
    assert [(o.tier.tier, o.attempt) for o in room.orders] == [(1, 1), (2, 1)]
