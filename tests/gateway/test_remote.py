"""Sessions on another machine: a right token opens one door, everything else opens nothing and learns nothing."""

import asyncio
import itertools
import json
import os
import socket
import ssl
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from activities.bait import SEEN
from adapters.doors.paths import reachable
from config.clock import SystemClock
from domain.agent import Granted
from domain.errors import ConfigurationError, TransientError
from domain.examination import Examination
from domain.ids import SessionId
from domain.ports import Door, SessionFolder
from gateway import doors as doors_module
from gateway.doors import STATE_FILE, DoorKeeper
from gateway.remote import tokens
from gateway.remote.entrance import REFUSED, read_head
from gateway.remote.far import CONNECT_S, Far, TurnedAwayError
from gateway.remote.listening import listen
from gateway.remote.relay import FarDoors
from tests.support import gateway
from tests.support.gateway import Room
from tests.support.outside import Site, World
from tests.support.remote import SECRET, entrance, no_gateway

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\n"
ASK = {"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def random_of(token: str) -> str:
    return token.partition(".")[2]


def connect(token: str, where: str = "door") -> bytes:
    return f"CONNECT {where} HTTP/1.1\r\nProxy-Authorization: Bearer {token}\r\n\r\n".encode()


def audited(room: Room, action: str) -> list[tuple[str, dict[str, object]]]:
    return [(target, detail) for name, target, detail in room.records.audits.values() if name == action]


@pytest.mark.parametrize("tls", [True, False])
async def test_a_token_opens_the_door_of_its_session_which_has_no_socket(tmp_path: Path, *, tls: bool):
    async with gateway.room(tmp_path / "home") as room, entrance(room, tls=tls) as entered:
        door = room.door(2)
        token = await entered.far.open(door, "")
        assert await entered.ask(token) == NOT_FOUND
        assert not door.folder.socket.exists()
        assert room.keeper.remote() == (door.session,)
        assert token.startswith(f"{door.session}.tds_")
        assert await entered.far.open(door, token) == "", "who has it keeps it"
        assert await entered.ask(token) == NOT_FOUND


async def test_whatever_is_no_right_token_gets_the_same_answer_and_reaches_nothing(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room, entrance(room, tls=True) as entered:
        own, foreign, local = room.door(2), room.door(1), await room.open(3)
        token, other = await entered.far.open(own, ""), await entered.far.open(foreign, "")
        gone = await entered.far.open(room.door(2, "gone"), "")
        assert await entered.far.close(SessionId("gone"), gone)
        swapped = "A" if token[-2] != "A" else "B"
        wrong = {
            "of another session's random": f"{foreign.session}.{random_of(token)}",
            "for a session with a socket": f"{local.session}.{random_of(token)}",
            "ended": gone,
            "tampered": token[:-2] + swapped + token[-1],
            "truncated": token[:-1],
            "longer": token + "A",
            "no random": own.session,
            "only random": random_of(token),
            "hash instead": f"{own.session}.tds_{tokens.hash_of(token)[:43]}",
            "two": f"{token}, {other}",
            "empty": "",
            "secret": SECRET,
            "unknown session": f"nobody.{random_of(token)}",
            "path": f"../{token}",
            "long": token * 200,
        }
        answers = {name: await entered.raw(connect(text)) for name, text in wrong.items()}
        answers |= {
            "token as secret": await entered.raw(connect(token, "admin")),
            "wrong secret": await entered.raw(connect(SECRET + "x", "admin")),
            "no secret": await entered.raw(b"CONNECT admin HTTP/1.1\r\n\r\n"),
            "twice": await entered.raw(
                connect(token).replace(b"\r\n\r\n", b"\r\nProxy-Authorization: Bearer x\r\n\r\n")
            ),
            "elsewhere": await entered.raw(connect(token, "example.com:443")),
            "no proxy": await entered.raw(b"GET / HTTP/1.1\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n"),
            "in the address": await entered.raw(f"CONNECT {token}@door HTTP/1.1\r\n\r\n".encode()),
            "noise": await entered.raw(b"\x00\xff" * 50 + b"\r\n\r\n"),
        }
        assert {name: text for name, text in answers.items() if text != REFUSED} == {}
        assert await entered.ask(token) == NOT_FOUND
        assert await entered.ask(other) == NOT_FOUND
        entered.book.flush()
        await room.written()
        refused = audited(room, "token.refused")
        assert sum(int(str(detail["count"])) for _, detail in refused) == len(answers)
        assert len(refused) == 2, "the first at once, the others together"
        assert random_of(token)[4:20] not in str(room.records.audits)


async def test_ten_thousand_guesses_are_counted_and_bounded_and_disturb_no_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    async with gateway.room(tmp_path / "home") as room, entrance(room, slow_s=0.01) as entered:
        token = await entered.far.open(room.door(2), "")
        numbers, left = itertools.count(), asyncio.Event()
        most, answers = 0, set[bytes]()

        async def guess() -> None:
            nonlocal most
            while (n := next(numbers)) < 10_000:
                answers.add(await entered.raw(connect(f"{token.partition('.')[0]}.tds_{n:043}")))
                most = max(most, len(room.recorder._queues.get("entrance", ())))
            left.set()

        async def work() -> int:
            done = 0
            while not left.is_set():
                done += await entered.ask(token) == NOT_FOUND
            return done

        _, worked = await asyncio.gather(asyncio.gather(*(guess() for _ in range(24))), work())
        entered.book.flush()
        await room.written()
    assert answers == {REFUSED}
    assert worked > 20
    assert entered.book.turned_away == 10_000
    assert len(audited(room, "token.refused")) <= 3
    assert most <= 3
    assert capsys.readouterr().out.count("turned away") <= 3


async def test_who_says_nothing_is_let_wait_only_so_long_and_only_so_often(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room, entrance(room, head_s=1.0, per_address=5, tls=True) as entered:
        token = await entered.far.open(room.door(2), "")
        silent = [await asyncio.open_connection("127.0.0.1", entered.port) for _ in range(5)]
        assert await entered.ask(token) == b"", "no room for a sixth"
        ends = await asyncio.gather(*(reader.read() for reader, _ in silent), return_exceptions=True)
        assert len(ends) == 5
        assert await entered.ask(token) == NOT_FOUND
        assert entered.book.turned_away == 0, "who said nothing has guessed nothing"
        for _, writer in silent:
            writer.transport.abort()


async def test_a_door_that_is_closed_ends_what_came_in_by_its_token(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        door = room.door(2)
        token = await entered.far.open(door, "")
        reader, writer = await entered.far.door(token)
        await room.keeper.close(door.session)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        with pytest.raises(TurnedAwayError):
            await entered.far.door(token)
        assert list((tmp_path / "home" / "sessions").rglob("*.json")) == []


async def test_a_token_ends_with_its_time_even_if_nobody_closes_the_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(doors_module, "SLACK_S", 0.0)
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        token = await entered.far.open(room.door(2, timeout_s=0.5), "")
        reader, writer = await entered.far.door(token)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        with pytest.raises(TurnedAwayError):
            await entered.far.door(token)
    known = tokens.kept("a.tds_b", SystemClock().now())
    assert not tokens.fits("a.tds_b", known, known.ends_at)
    assert tokens.fits("a.tds_b", known, known.ends_at - timedelta(microseconds=1))


async def test_the_newest_opener_has_the_door_and_an_older_one_cannot_close_it(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        door = room.door(2)
        first = await entered.far.open(door, "")
        reader, writer = await entered.far.door(first)
        second = await entered.far.open(door, "")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert await entered.ask(first) == b""
        assert await entered.far.close(door.session, first) is False
        assert await entered.ask(second) == NOT_FOUND
        await room.keeper.open(door)
        assert await entered.ask(second) == b"", "a session on this machine has its socket, and no token"
        async with gateway.through(door) as client, client.get("/nothing") as answer:
            assert answer.status == 404
        assert await entered.far.open(door.model_copy(update={"attempt": 2}), "")
        assert not door.folder.socket.exists()


async def test_who_closes_while_another_machine_takes_the_door_over_does_not_close_it_to_that_one(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room:
        door, keeper = room.door(2), room.keeper
        first = await keeper.open_remote(door, "", os.urandom)
        # The taking over has begun, and waits for the disk, when the first one's word to close comes.
        second, closed = await asyncio.gather(
            keeper.open_remote(door, "", os.urandom), keeper.close_remote(door.session, first)
        )
        assert closed is False
        assert keeper.enter(first) is None
        assert keeper.enter(second) is not None


@pytest.mark.parametrize("then", ["another machine", "this machine"])
async def test_what_was_looked_at_before_a_door_is_taken_over_stays_in_the_audit(tmp_path: Path, then: str):
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        door = room.door(2)
        token = await entered.far.open(door, "")
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "services", "arguments": {}}}
        body = json.dumps(call).encode()
        head = f"POST /mcp HTTP/1.1\r\nHost: door\r\nContent-Length: {len(body)}\r\n\r\n"
        for _ in range(3):
            assert b" 200 " in await entered.ask(token, head.encode() + body)
        if then == "this machine":
            await room.keeper.open(door)
        else:
            await entered.far.open(door, "")
        await room.written()
        looked = audited(room, "looked")
    assert sum(int(str(detail["count"])) for _, detail in looked) == 3


async def test_only_a_hash_is_kept_and_the_next_gateway_knows_it(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room:
        async with entrance(room) as entered:
            token = await entered.far.open(room.door(2), "")
        held = [p.read_bytes() for p in (tmp_path / "home").rglob("*") if p.is_file()]
        assert not any(random_of(token)[4:].encode() in data for data in held)
        assert any(tokens.hash_of(token).encode() in data for data in held)
        await room.keeper.stop()
        room.keeper = DoorKeeper(tmp_path / "home" / "sessions", room.behind)
        assert await room.keeper.reopen() == 1
        async with entrance(room) as entered:
            assert await entered.ask(token) == NOT_FOUND
            assert await entered.far.close(room.keeper.remote()[0], token)
            assert await entered.ask(token) == b""


# ---------------------------------------------------------------- the machine that comes


def at(home: Path, door: Door) -> Door:
    """The same door, as the other machine has it."""
    return door.model_copy(update={"folder": SessionFolder(root=home / "sessions" / door.session)})


async def test_the_other_machines_socket_is_the_same_door(tmp_path: Path):
    seen: list[dict[str, Any]] = []

    async def model(request: web.Request) -> web.Response:
        seen.append({"headers": dict(request.headers), "body": await request.text()})
        said = {"usage": {"input_tokens": 5, "output_tokens": 2}, "type": "message", "long": "x" * 3_000_000}
        return web.json_response(said)

    world, site = World(names={"good.example": ("93.184.216.34",)}), Site()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    world.servers["93.184.216.34", 80] = server.sockets[0].getsockname()[1]
    there = tmp_path / "there"
    async with (
        gateway.upstream(model) as url,
        gateway.room(tmp_path / "home", url, outside=world) as room,
        entrance(room, tls=True) as entered,
    ):
        keeper = FarDoors(there / "sessions", entered.far)
        door = at(there, room.door(2, domains=("good.example:80",)))
        await keeper.open(door)
        token = keeper._led[door.session].token
        async with gateway.through(door) as client:
            headers = {"x-api-key": "placeholder", "Proxy-Authorization": f"Bearer {token}", "Cookie": token}
            async with client.post("/model/v1/messages", json=ASK, headers=headers) as answer:
                assert answer.status == 200
                assert len((await answer.json())["long"]) == 3_000_000
            last = headers | {"Connection": "close"}
            async with client.post("/model/v1/messages", json=ASK, headers=last) as answer:
                assert len((await answer.json())["long"]) == 3_000_000, "what was said last arrives"
            async with client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}) as answer:
                assert "act" in [t["name"] for t in (await answer.json())["result"]["tools"]]
            async with client.get("/docker/version") as answer:
                assert answer.status in {403, 503}, "no engine in this room, but its address is there"
            async with client.put("/docker/containers/x/archive") as answer:
                assert answer.status >= 400
            async with client.post("/gate", json={"tool_name": "Bash"}) as answer:
                assert "deny" in await answer.text()
        for host, status in (("good.example", b"200"), ("evil.example", b"403")):
            with reachable(door.folder.socket) as path:
                reader, writer = await asyncio.open_unix_connection(path)
            writer.write(f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert (await reader.readline()).split(b" ")[1] == status
            writer.close()
        await room.written()
        assert seen[0]["headers"]["x-api-key"] == gateway.API_KEY.secret.get_secret_value()
        assert random_of(token)[4:] not in json.dumps(seen)
        assert [c.session for c in room.records.calls] == [door.session] * 2
        assert {t for a, t, _ in room.records.audits.values() if a == "egress.refused"} == {"evil.example:80"}
        assert await keeper.close(door.session)
        assert not door.folder.socket.exists()
        assert room.keeper.sessions() == ()
        assert not any(random_of(token)[4:].encode() in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    server.close()


async def test_which_tools_a_remote_session_was_given_and_why_not_the_others_is_written_down(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        first = Granted(tools=("Grep", "probe"), withheld={"act": "act: only people"})
        token = await entered.far.open(door := room.door(2, granted=first), "")
        less = Granted(tools=("Grep",), withheld={"act": "act: only people", "probe": "probe: not here"})
        assert await entered.far.open(door.model_copy(update={"granted": less}), token) == ""
        await room.written()
        told = audited(room, "session.tools")
    assert [detail["withheld"] for _, detail in told] == [first.withheld, less.withheld]


async def test_bait_that_is_carried_to_a_remote_door_is_told_to_the_machine_that_runs_the_session(tmp_path: Path):
    there = tmp_path / "there"
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        keeper = FarDoors(there / "sessions", entered.far)
        door = at(there, room.door(2, bait=("AKIA-the-bait-of-this-session",)))
        await keeper.open(door)
        async with gateway.through(door) as client:
            async with client.get("/x?k=AKIA-the-bait-of-this-session") as answer:
                assert answer.status == 403
            async with asyncio.timeout(5):
                while not (door.folder.root / SEEN).exists():
                    await asyncio.sleep(0.02)
        await room.written()
        assert len(audited(room, "bait.seen")) == 1
        await keeper.stop()


async def test_bait_is_told_also_where_the_gateway_that_saw_it_starts_again_in_that_moment(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room, AsyncExitStack() as stack:
        async with entrance(room) as entered:
            keeper = FarDoors(tmp_path / "there" / "sessions", entered.far)
            door = at(tmp_path / "there", room.door(2, bait=("AKIA-the-bait-of-this-session",)))
            await keeper.open(door)
            client = await stack.enter_async_context(gateway.through(door))
            async with client.get("/x?k=AKIA-the-bait-of-this-session") as answer:
                assert answer.status == 403
        led = keeper._led[door.session]
        async with asyncio.timeout(10):
            while led.running:  # it has been hung up on, and nobody answers why
                await asyncio.sleep(0.02)
            await listen(entered.here, room.keeper, entered.book, never, stack)
            while not (door.folder.root / SEEN).exists():
                await asyncio.sleep(0.02)
        await keeper.stop()


async def test_other_machines_hear_nothing_of_sessions_that_run_here(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        here, there = await room.open(2), room.door(2)
        await entered.far.open(there, "")
        for door in (here, there):
            (door.folder.root / SEEN).write_text("an address")
        assert [await entered.far.bait_seen(door.session) for door in (here, there)] == ["", "an address"]
        assert (await entered.far._ask("GET", "/doors", {}))["sessions"] == [there.session]
        assert await entered.far.close(here.session, "") is False
        assert here.session in room.keeper.sessions()


async def test_a_relay_that_starts_again_gets_new_tokens_for_its_doors(tmp_path: Path):
    there = tmp_path / "there"
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        keeper = FarDoors(there / "sessions", entered.far)
        door = at(there, room.door(2))
        await keeper.open(door)
        old = keeper._led[door.session].token
        await keeper.stop()
        again = FarDoors(there / "sessions", entered.far)
        assert await again.reopen() == 1
        async with gateway.through(door) as client, client.get("/nothing") as answer:
            assert answer.status == 404
        assert await entered.ask(old) == b""
        await again.stop()


async def test_a_relay_that_starts_while_the_other_gateway_is_silent_waits_for_nothing_and_leads_there_later(
    tmp_path: Path,
):
    there = tmp_path / "there" / "sessions"
    async with gateway.room(tmp_path / "home") as room:
        async with entrance(room) as entered:
            doors = [at(tmp_path / "there", room.door(2)) for _ in range(3)]
            keeper = FarDoors(there, entered.far)
            for door in doors:
                await keeper.open(door)
            await keeper.stop()
        here = entered.here
        silent = socket.create_server(here.entrance or ("", 0))  # takes connections, and says nothing
        again = FarDoors(there, entered.far)
        async with asyncio.timeout(CONNECT_S):  # as long as one question to it would take
            assert await again.reopen() == 3
            assert all(door.folder.socket.exists() for door in doors)
        silent.close()
        async with AsyncExitStack() as stack:
            await listen(here, room.keeper, entered.book, never, stack)
            asked = [gateway.through(doors[0]) for _ in range(4)]
            clients = [await stack.enter_async_context(one) for one in asked]
            answers = await asyncio.gather(*(client.get("/nothing") for client in clients))
            assert [answer.status for answer in answers] == [404] * 4
            assert await again.close(doors[1].session), "nobody came by it: it is closed all the same"
            assert set(room.keeper.remote()) == {doors[0].session, doors[2].session}
            await again.stop()


async def never() -> Examination:
    return Examination()


async def test_a_door_that_could_not_be_opened_again_and_is_closed_stays_closed(tmp_path: Path):
    there = tmp_path / "there"
    async with gateway.room(tmp_path / "home") as room, entrance(room) as entered:
        door = at(there, room.door(2))
        keeper = FarDoors(there / "sessions", entered.far)
        await keeper.open(door)
        await keeper.stop()
        (state := door.folder.root / STATE_FILE).write_text("{")
        again = FarDoors(there / "sessions", entered.far)
        assert await again.reopen() == 0
        assert await again.close(door.session) is False
        assert not state.exists()

        await room.keeper.stop()
        (room.home / "sessions" / door.session / "token.json").unlink()
        next_one = DoorKeeper(room.home / "sessions", room.behind)
        assert await next_one.reopen() == 0
        assert await next_one.close(door.session) is False
        assert list(room.home.rglob("session.json")) == []


async def test_a_wrong_secret_an_unknown_certificate_and_a_gateway_that_is_away_say_what_to_do(tmp_path: Path):
    async with gateway.room(tmp_path / "home") as room, entrance(room, tls=True) as entered:
        door = room.door(2)
        with pytest.raises(ConfigurationError, match="same TIERCEL_GATEWAY_SECRET"):
            await Far(entered.far.url, SECRET + "x", entered.tls).open(door, "")
        with pytest.raises(ConfigurationError, match="TIERCEL_GATEWAY_CA"):
            await Far(entered.far.url, SECRET, ssl.create_default_context()).open(door, "")
        with pytest.raises(TransientError, match=r"does not answer \(.*\); start it there, or ask `tiercel doctor`"):
            await Far("http://127.0.0.1:9", SECRET, None).open(door, "")
        with pytest.raises(ConfigurationError, match="cannot name a session"):
            await entered.far.open(door.model_copy(update={"session": ".."}), "")
    assert entered.book.turned_away == 1


async def test_what_is_no_gateway_and_talks_without_end_is_told_as_one_that_does_not_answer():
    async with no_gateway() as port:
        with pytest.raises(TransientError, match="does not answer"):
            await Far(f"http://127.0.0.1:{port}", SECRET, None).known()
        with pytest.raises(ConnectionRefusedError, match="no gateway"):
            await Far(f"http://127.0.0.1:{port}", SECRET, None).door("a.b")


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"CONNECT door HTTP/1.1\r\nproxy-authorization:bearer a.b", ("door", "a.b")),
        (
            b"CONNECT door:80 HTTP/1.1\r\nHost: door:80\r\nProxy-Authorization: Bearer a.b\r\nUser-Agent: x",
            ("door", "a.b"),
        ),
        (b"CONNECT admin HTTP/1.1\r\nProxy-Authorization: Bearer s", ("admin", "s")),
        (b"CONNECT door HTTP/1.0\r\nProxy-Authorization: Bearer a.b", ("", "")),
        (b"CONNECT door HTTP/1.1\r\nProxy-Authorization: Basic a.b", ("", "")),
        (b"CONNECT door HTTP/1.1\r\nProxy-Authorization: Bearer ", ("", "")),
        (b"GET door HTTP/1.1\r\nProxy-Authorization: Bearer a.b", ("", "")),
        (b"", ("", "")),
    ],
)
def test_the_first_line_says_what_is_asked_for(head: bytes, found: tuple[str, str]):
    assert read_head(head) == found
