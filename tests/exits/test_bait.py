"""Bait: laid once, seen in every spelling at every exit of a door, and then the session is over."""

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from activities.bait import SEEN, lay, seen_outside, words
from adapters.doors.paths import reachable
from domain.ports import Door, SessionFolder
from policy.bait import PIECES, BaitStream, BaitWatch, bait_of
from tests.gateway.test_doors import GATE_CALL
from tests.gateway.test_model_proxy import BODY, HEADERS, PATH
from tests.support import gateway
from tests.support.gateway import Room
from tests.support.outside import outside

BAIT = bait_of(bytes(range(40)))


def test_it_looks_like_a_real_key_and_is_another_one_each_time() -> None:
    assert len(BAIT.id) == 20
    assert len(BAIT.secret) == 40
    assert BAIT.id.isalnum()
    assert BAIT.secret.isalnum()
    assert bait_of(bytes(40)).values != BAIT.values


def test_it_is_laid_once_and_a_later_process_has_the_same(tmp_path: Path) -> None:
    folder = SessionFolder(root=tmp_path / "s")
    bait = lay(folder, os.urandom)
    file = folder.claude_config / ".aws" / "credentials"
    assert bait.secret in file.read_text()
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere")  # what a session could do before its next process
    assert lay(folder, os.urandom) == bait
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_written_where_a_session_has_been(tmp_path: Path) -> None:
    folder = SessionFolder(root=tmp_path / "s")
    folder.claude_config.mkdir(parents=True)
    (folder.claude_config / ".aws").symlink_to(tmp_path)
    lay(folder, os.urandom)
    assert not (tmp_path / "credentials").exists()


@pytest.mark.parametrize("value", BAIT.values)
def test_every_spelling_is_seen_and_also_in_pieces(value: str) -> None:
    watch = BaitWatch(BAIT.values)
    raw = value.encode()
    spelled = [value, json.dumps({"x": value}), raw.hex(), raw.hex().upper()]
    spelled += [base64.b64encode(b"u" * n + raw + b"v").decode() for n in range(3)]
    for text in spelled:
        assert watch.seen(f"before {text} after".encode())
        stream = BaitStream(watch)
        assert any([stream.seen(text.encode()[at : at + 3]) for at in range(0, len(text), 3)])  # noqa: C419 - all of it
    assert not watch.seen(value[:12].encode())
    assert not BaitWatch(()).seen(raw)


async def ask(door: Door, path: str, **what: Any) -> int:
    async with gateway.through(door) as client, client.post(path, **what) as answer:
        await answer.read()
        return answer.status


async def is_over(room: Room, door: Door, piece: str, exit_: str) -> None:
    """Nothing is served any more; the audit and the worker, who opens the incident, know which piece was seen where."""
    assert await ask(door, "/gate", json=GATE_CALL) == 403
    await room.written()
    [(where, detail)] = [(target, d) for action, target, d in room.records.audits.values() if action == "bait.seen"]
    assert exit_ in where
    assert detail["piece"] == piece
    assert f"was seen in {where} ({piece})" in words(seen_outside(door.folder))


@pytest.mark.parametrize("exit_", ["model", "gate", "header", "address", "telemetry"])
async def test_seen_at_an_exit_the_session_is_over_and_another_goes_on(tmp_path: Path, exit_: str) -> None:
    arrived: list[bytes] = []

    async def model(request: Any) -> Any:
        arrived.append(await request.read())
        return web.json_response({})

    async with gateway.upstream(model) as url, gateway.room(tmp_path, url, otlp_endpoint=url) as room:
        door, other = await room.open(bait=BAIT.values), await room.open(bait=bait_of(bytes(40)).values)
        encoded = base64.b64encode(f"x{BAIT.secret}".encode()).decode()
        asked = json.loads(json.dumps(BODY))
        asked["messages"] = [{"role": "user", "content": encoded}]
        ways = {
            "model": (PATH, {"json": asked, "headers": HEADERS}),
            "gate": ("/gate", {"json": {**GATE_CALL, "tool_input": {"reason": BAIT.id}}}),
            "header": ("/gate", {"json": GATE_CALL, "headers": {"X-A": encoded}}),
            "address": (f"/gate?x={BAIT.id}", {"json": GATE_CALL}),
            "telemetry": ("/otel/v1/traces", {"data": BAIT.secret.encode()}),
        }
        assert await ask(door, "/gate", json=GATE_CALL) == 200
        path, what = ways[exit_]
        before = len(room.broker.considered)
        assert await ask(door, path, **what) == (200 if exit_ == "gate" else 403)  # the gate's own word is deny
        assert len(room.broker.considered) == before
        piece = PIECES[0] if exit_ in {"gate", "address"} else PIECES[1]
        await is_over(
            room, door, piece, "an address or a header" if exit_ in {"header", "address"} else path.partition("?")[0]
        )
        assert arrived == []
        assert await ask(other, "/gate", json=GATE_CALL) == 200
        await room.keeper.stop()
        await room.keeper.reopen()  # the next gateway knows it too
        assert await ask(door, "/gate", json=GATE_CALL) == 403
        assert await ask(other, "/gate", json=GATE_CALL) == 200
        assert not (other.folder.root / SEEN).exists()


async def test_hostile_words_of_an_exit_stay_words(tmp_path: Path) -> None:
    """A session chooses the path of a request, and people read it."""
    async with gateway.room(tmp_path) as room:
        door = await room.open(bait=BAIT.values)
        session = room.keeper._open[door.session].session
        session.bait_seen("a request to /\x1b[31m\u202e\x00<script>" + "x" * 5000, PIECES[0])
        told = words(seen_outside(door.folder))
    assert "a request to /<script>xxx" in told
    assert told.isprintable()
    assert len(told) < 600


@pytest.mark.parametrize("part", ["name", "path", "body"])
async def test_it_does_not_pass_through_the_way_out(tmp_path: Path, part: str) -> None:
    half = len(BAIT.secret) // 2
    requests = {
        "name": [f"CONNECT {BAIT.id.lower()}.{BAIT.id}.good.example:443 HTTP/1.1\r\n\r\n"],
        "path": [f"GET http://good.example/?k={BAIT.secret} HTTP/1.1\r\n\r\n"],
        "body": [
            f"POST http://good.example/ HTTP/1.1\r\nContent-Length: 41\r\n\r\n{BAIT.secret[:half]}",
            BAIT.secret[half:],
        ],
    }
    async with outside(tmp_path) as place, gateway.room(tmp_path / "home", outside=place.world) as room:
        place.good.whole = True
        door = await room.open(bait=BAIT.values, domains=("good.example", "*.good.example"))
        with reachable(door.folder.socket) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        for piece in requests[part]:
            writer.write(piece.encode())
            await writer.drain()
            await asyncio.sleep(0.05)  # two pieces, not one
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
        seen = "a connection to good.example" if part == "body" else "a request to the outside"
        await is_over(room, door, PIECES[part != "name"], seen)
        assert BAIT.secret[half:].encode() not in b"".join(place.good.heads + place.good.rests)
