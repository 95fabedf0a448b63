"""Doors: whose they are, that they come back, that none leads to another."""

import asyncio
import json
import stat
from pathlib import Path

import pytest

from adapters.doors.paths import reachable
from domain.errors import ConfigurationError
from domain.ports import SessionFolder
from gateway.doors import DoorKeeper
from tests.support import gateway

GATE_CALL = {
    "session_id": "someone-else",
    "hook_event_name": "PreToolUse",
    "tool_name": "mcp__tiercel__act",
    "tool_input": {"kind": "restart", "target": "local/web", "reason": "r"},
    "tool_use_id": "toolu_1",
}


async def test_whose_door_it_is_decides_who_asks_whatever_the_request_says(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        mine, other = await room.open(), await room.open()
        async with gateway.through(mine) as client:
            for path in ("/gate", f"/gate?session={other.session}"):
                headers = {"Host": other.session, "X-Claude-Code-Session-Id": other.session}
                async with client.post(path, json=GATE_CALL, headers=headers) as answer:
                    assert answer.status == 200
    assert {r.session for r in room.broker.considered} == {mine.session}


async def test_no_address_on_a_door_leads_elsewhere(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        mine, other = await room.open(), await room.open()
        tricks = (
            "/doors",
            f"/doors/{other.session}",
            f"/{other.session}/gate",
            f"/../{other.session}/door/gateway.sock",
            "/model/v1/models",
            "/model//v1/messages/../../../doors",
            "/model/v1/messages%2f..%2f..%2fadmin",
            "/otel/v1/../../gate",
            "http://127.0.0.1:80/gate-of-others",
            "/healthz",
        )
        async with gateway.through(mine) as client:
            for trick in tricks:
                for method in ("GET", "POST", "PUT", "DELETE", "CONNECT"):
                    reader, writer = await _raw(mine.folder.socket)
                    writer.write(
                        f"{method} {trick} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
                    )
                    status = int((await reader.read()).split(b" ")[1])
                    writer.close()
                    assert status in {400, 403, 404, 405}, (method, trick, status)
            async with client.get("/mcp") as answer:
                assert answer.status == 405
    assert other.folder.socket != mine.folder.socket


async def _raw(path: Path):
    with reachable(path) as spelled:
        return await asyncio.open_unix_connection(spelled)


async def test_doors_come_back_after_a_crash_although_their_old_sockets_lie_there(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open(tier=1)
        await room.keeper.stop()  # files stay, as after SIGKILL
        assert door.folder.socket.exists()
        (tmp_path / "sessions" / "broken").mkdir()
        (tmp_path / "sessions" / "broken" / "session.json").write_text("{")

        again = DoorKeeper(tmp_path / "sessions", room.behind)
        assert await again.reopen() == 1
        async with gateway.through(door) as client, client.post("/gate", json=GATE_CALL) as answer:
            decision = (await answer.json())["hookSpecificOutput"]
        await again.stop()
    assert decision["permissionDecision"] == "deny"
    assert "tier 1" in decision["permissionDecisionReason"]


async def test_opening_again_is_harmless_and_brings_the_newest_attempt(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        before = door.folder.socket.stat().st_ino
        await room.open(session=door.session, attempt=2)
        assert door.folder.socket.stat().st_ino == before
        assert json.loads((door.folder.root / "session.json").read_text())["attempt"] == 2

        door.folder.socket.unlink()  # somebody cleaned up
        await room.open(session=door.session, attempt=3)
        async with gateway.through(door) as client, client.get("/mcp") as answer:
            assert answer.status == 405


async def test_a_closed_door_is_gone_with_its_file_and_stays_closed(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        assert await room.keeper.close(door.session) is True
        assert await room.keeper.close(door.session) is False
        assert not door.folder.socket.exists()
        assert not (door.folder.root / "session.json").exists()


async def test_the_sandboxed_user_can_connect_and_only_through_the_mounted_folder(tmp_path: Path):
    async with gateway.room(tmp_path) as room:
        door = await room.open()
        assert stat.S_IMODE(door.folder.root.stat().st_mode) == 0o700
        assert stat.S_IMODE(door.folder.socket.stat().st_mode) == 0o666
        assert stat.S_IMODE(door.folder.door.stat().st_mode) == 0o755
        assert stat.S_IMODE((door.folder.root / "session.json").stat().st_mode) == 0o600


async def test_a_door_below_a_long_path_works(tmp_path: Path):
    deep = tmp_path / ("d" * 90) / ("e" * 60)
    async with gateway.room(deep) as room:
        door = await room.open()
        async with gateway.through(door) as client, client.get("/mcp") as answer:
            assert answer.status == 405


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".", "x" * 65])
async def test_a_door_that_would_lie_elsewhere_is_refused(tmp_path: Path, name: str):
    async with gateway.room(tmp_path) as room:
        door = room.door(session="good")
        with pytest.raises(ConfigurationError):
            await room.keeper.open(door.model_copy(update={"session": name}))
        with pytest.raises(ConfigurationError):
            await room.keeper.open(door.model_copy(update={"folder": SessionFolder(root=tmp_path / "other")}))
        (tmp_path / "sessions" / "good").symlink_to(tmp_path)
        with pytest.raises(ConfigurationError):
            await room.keeper.open(door)
