"""Runners that wait for their session: given once, only to what they were made for, and gone with whoever kept them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from adapters.containers import attempt, files, keeper, spares
from adapters.containers.container import ContainerEngine
from adapters.containers.keeper import SpareKeeper, Wanted
from adapters.containers.process import ProcessEngine
from adapters.doors.paths import listen
from domain.errors import TransientError
from domain.ids import SessionId
from domain.ports import Launch, SessionFolder
from domain.session import Limits
from tests.adapters.containers.conftest import Bench

LIKE = Limits()
Keeps = ContainerEngine | ProcessEngine


@pytest.fixture
async def kept(bench: Bench) -> AsyncIterator[Bench]:
    """The engine under test; no spare is left afterwards."""
    yield bench
    await SpareKeeper(engine_of(bench), bench.sessions, 0, _wanted).keep(0)
    await bench.engine.sweep(frozenset())
    assert await bench.engine.sweep(frozenset()) == ()
    assert spares.all_of(bench.sessions) == []


def engine_of(bench: Bench) -> Keeps:
    assert isinstance(bench.engine, ContainerEngine | ProcessEngine)
    return bench.engine


async def _wanted() -> Wanted:
    return Wanted(limits=LIKE)


async def keep(bench: Bench, count: int = 1, wanted: Wanted | None = None) -> list[SessionFolder]:
    """Let so many wait; their folders."""

    async def asked() -> Wanted:
        return wanted or Wanted(limits=LIKE)

    assert await SpareKeeper(engine_of(bench), bench.sessions, count, asked).keep(count) == count
    found = [folder for folder in spares.all_of(bench.sessions) if spares.waiting(folder)]
    assert len(found) == count
    return found


def given(launch: Launch) -> str:
    """The spare that the session got, or ""."""
    spare = spares.read(launch.folder.attempt(launch.attempt))
    return spare.name if spare else ""


async def gone(folder: SessionFolder, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while spares.waiting(folder):
        assert time.monotonic() < deadline, "its runner still waits"
        await asyncio.sleep(0.02)


async def test_a_session_gets_the_runner_that_waits_and_everything_is_its_own(kept: Bench) -> None:
    (waiting,) = await keep(kept)
    launch = kept.launch('cat; echo "$NAME"; cat "$KEEP/laid"; echo more >"$KEEP/made"; exit 5', prompt="the prompt\n")
    launch = launch.model_copy(update={"env": {"PATH": "/bin", "NAME": "x", "KEEP": str(launch.folder.claude_config)}})
    launch.folder.claude_config.mkdir(parents=True)
    (launch.folder.claude_config / "laid").write_text("laid before\n")
    handle = await kept.engine.start_or_attach(launch)
    assert (await kept.end(handle)).code == 5
    assert await kept.output(handle) == b"the prompt\nx\nlaid before\n"
    assert (launch.folder.claude_config / "made").read_text() == "more\n"
    assert given(launch) == waiting.root.name
    assert await kept.make().exited(handle) == await kept.engine.exited(handle)


async def test_two_sessions_at_the_same_time_never_get_the_same_one(kept: Bench) -> None:
    await keep(kept)
    launches = [kept.launch("echo $$; sleep 60") for _ in range(4)]
    handles = await asyncio.gather(*(kept.make().start_or_attach(one) for one in launches))
    if isinstance(kept.engine, ContainerEngine):  # those engines have not looked which image there is
        handles = [*handles, await kept.engine.start_or_attach(last := kept.launch("sleep 60"))]
        launches.append(last)
    for handle in handles:
        assert await kept.engine.exited(handle) is None
    assert sum(bool(given(one)) for one in launches) == 1
    assert len({handle.identity for handle in handles}) == len(handles)


async def test_one_session_asked_for_many_times_takes_one(kept: Bench) -> None:
    before = await keep(kept, 2)
    launch = kept.launch("echo started; sleep 60")
    handles = await asyncio.gather(*(kept.engine.start_or_attach(launch) for _ in range(4)))
    await kept.until(handles[0], b"started")
    assert len({handle.identity for handle in handles}) == 1
    assert sum(spares.waiting(folder) is not None for folder in before) == 1
    again = kept.make()
    await again.isolation()
    assert (await again.start_or_attach(launch)).identity == handles[0].identity
    assert sum(spares.waiting(folder) is not None for folder in before) == 1
    assert await kept.output(handles[0]) == b"started\n"


async def test_a_start_that_was_interrupted_finds_its_own_one(kept: Bench) -> None:
    before = await keep(kept, 2)
    launch = kept.launch("echo once; sleep 60")
    engine = engine_of(kept)
    key = await engine.spare_key(LIKE, ())
    assert spares.take(kept.sessions, launch, key)  # a worker that died here
    mine = given(launch)
    if isinstance(engine, ContainerEngine):
        spare = spares.read(launch.folder.attempt(1))
        assert spare is not None
        spares.move_in(kept.sessions, launch, spare)  # or there
    handle = await kept.make().start_or_attach(launch)
    await kept.until(handle, b"once")
    assert given(launch) == mine
    assert sum(spares.waiting(folder) is not None for folder in before) == 1


async def test_a_dead_one_is_not_handed_out(kept: Bench) -> None:
    (waiting,) = await keep(kept)
    spare = spares.waiting(waiting)
    assert spare is not None
    _kill(waiting, spare.identity)
    await gone(waiting)
    launch = kept.launch("echo cold")
    handle = await kept.engine.start_or_attach(launch)
    assert (await kept.end(handle)).code == 0
    assert (await kept.output(handle), given(launch)) == (b"cold\n", "")


async def test_one_that_dies_while_it_is_handed_over_is_replaced_by_a_cold_start(kept: Bench) -> None:
    (waiting,) = await keep(kept)
    spare = spares.waiting(waiting)
    assert spare is not None
    launch = kept.launch("echo cold")
    assert spares.take(kept.sessions, launch, spare.key)
    _kill(launch.folder, spare.identity)
    await gone(launch.folder)
    handle = await kept.engine.start_or_attach(launch)
    assert (await kept.end(handle)).code == 0
    assert await kept.output(handle) == b"cold\n"


def _kill(folder: SessionFolder, container: str) -> None:
    if container:
        docker.from_env().containers.get(container).kill()
        return
    pipe = (folder.attempt(1) / files.GO).stat()
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        if _holds(pid, (pipe.st_dev, pipe.st_ino)):
            os.kill(pid, 9)


def _holds(pid: int, pipe: tuple[int, int]) -> bool:
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            seen = entry.stat()
            if (seen.st_dev, seen.st_ino) == pipe and pid != os.getpid():
                return True
    except OSError:
        return False
    return False


async def test_old_ones_and_those_made_otherwise_are_replaced(kept: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = await keep(kept)
    assert [f.root for f in await keep(kept)] == [first.root]
    monkeypatch.setattr(spares, "MAX_AGE_S", 0.0)
    (second,) = await keep(kept)
    assert second.root != first.root
    assert not first.root.exists()


async def test_without_anybody_who_renews_its_lease_it_ends(make: Any, tmp_path: Path) -> None:
    engine = make(lease_s=0.5)
    if not (await engine.isolation()).isolated:
        pytest.skip("no wall here")
    bench = Bench(engine, tmp_path / "sessions", make)
    (waiting,) = await keep(bench)
    identity = spares.waiting(waiting)
    assert identity is not None
    await gone(waiting)
    # The next worker's round takes away what is left, though it wants none.
    await SpareKeeper(make(), bench.sessions, 0, _wanted).keep(0)
    await make().sweep(frozenset())
    assert spares.all_of(bench.sessions) == []
    if identity.identity:
        with pytest.raises(NotFound):
            docker.from_env().containers.get(identity.identity)


@pytest.mark.isolation
@pytest.mark.parametrize("make", ["process"], indirect=True)
async def test_one_that_does_not_come_to_wait_is_told_with_its_last_words(
    kept: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "WAITING_FLAGS", ("-c", "raise SystemExit('no such thing as a pipe')"))
    with pytest.raises(TransientError, match="no such thing as a pipe"):
        await keep(kept)


def _waits(sessions: Path) -> tuple[SessionFolder, int]:
    """A spare without its runner, and the end of the pipe at which that would wait."""
    folder = spares.make(sessions, f"{spares.PREFIX}x", os.geteuid())
    spares.sign(folder, spares.Spare(name=folder.root.name, key="k"))
    return folder, os.open(folder.attempt(1) / files.GO, os.O_RDWR | os.O_NONBLOCK)


def test_who_ends_a_spare_leaves_it_to_whoever_took_it_a_moment_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, pipe = _waits(tmp_path)
    mine = SessionFolder(root=tmp_path / "s")
    launch = Launch(session=SessionId("s"), attempt=1, folder=mine, argv=(), env={}, prompt="", timeout_s=1)
    assert spares.waited(folder)
    assert spares.take(tmp_path, launch, "k")
    assert {path.stat().st_mode & 0o777 for path in (mine.root, mine.root / "attempts")} == {0o700}
    assert spares.waited(folder), "whoever made it does not wait for one that is in use already"
    assert spares.dismiss(folder) is False, "it is the session's, which has not written that down yet"
    assert spares.wake(mine.attempt(1), "x")
    monkeypatch.setattr(spares, "TAKING_S", -1.0)
    assert spares.dismiss(folder) is True, "whoever took it died"
    os.close(pipe)


def test_who_ends_a_spare_goes_on_where_somebody_was_interrupted(tmp_path: Path) -> None:
    folder, pipe = _waits(tmp_path)
    assert spares.dismiss(folder) is True
    assert os.read(pipe, 9) == b"\n"
    assert spares.dismiss(folder) is True
    os.close(pipe)


async def test_only_one_worker_keeps_them(kept: Bench) -> None:
    with spares.alone(kept.sessions) as first:
        assert first
        assert await SpareKeeper(engine_of(kept), kept.sessions, 1, _wanted).keep(1) == 0


async def test_a_worker_that_ends_leaves_none(kept: Bench) -> None:
    async with SpareKeeper(engine_of(kept), kept.sessions, 2, _wanted).keeping():
        deadline = time.monotonic() + 20
        while sum(spares.waiting(f) is not None for f in spares.all_of(kept.sessions)) < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
    assert spares.all_of(kept.sessions) == []


@pytest.mark.isolation
@pytest.mark.parametrize("make", ["process"], indirect=True)
async def test_one_that_could_not_be_ended_at_first_is_ended_though_none_is_wanted(
    kept: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "LOOK_EVERY_S", 0.01)
    (waiting,) = await keep(kept)
    engine = engine_of(kept)
    end, asked = engine.end_spare, 0

    async def away_at_first(folder: SessionFolder) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise TransientError("the Docker engine does not answer")
        await end(folder)

    monkeypatch.setattr(engine, "end_spare", away_at_first)
    async with SpareKeeper(engine, kept.sessions, 0, _wanted).keeping():
        async with asyncio.timeout(5):
            while waiting.root.exists():
                await asyncio.sleep(0.01)
    assert asked == 2


async def test_a_sweep_spares_what_waits_and_ends_what_a_session_left(kept: Bench) -> None:
    (waiting,) = await keep(kept)
    await kept.engine.sweep(frozenset())
    assert spares.waiting(waiting)
    handle = await kept.engine.start_or_attach(kept.launch("sleep 60"))
    assert await kept.engine.sweep(frozenset({handle.session})) == ()
    assert await kept.engine.exited(handle) is None
    assert await kept.engine.sweep(frozenset()) == (handle.session,)
    assert await kept.engine.exited(handle) is not None
    assert spares.all_of(kept.sessions) == []


# ---------------------------------------------------------------- containers: the walls are the same


@pytest.mark.docker
@pytest.mark.parametrize("make", ["container"], indirect=True)
async def test_a_waiting_container_has_every_wall_of_a_cold_one(kept: Bench) -> None:
    client = docker.from_env()
    repository = kept.sessions.parent / "repository"
    repository.mkdir()
    wanted = Wanted(limits=Limits(memory_mb=300, cpus=0.5, pids=99), read_only=(repository,))
    cold = await kept.engine.start_or_attach(kept.launch("sleep 60", limits=wanted.limits, read_only=wanted.read_only))
    await keep(kept, 1, wanted)
    launch = kept.launch("sleep 60", limits=wanted.limits, read_only=wanted.read_only)
    warm = await kept.engine.start_or_attach(launch)
    assert given(launch)
    seen = [client.containers.get(handle.identity).attrs for handle in (cold, warm)]
    host = [{k: v for k, v in one["HostConfig"].items() if k != "Mounts"} for one in seen]
    assert host[0] == host[1]
    mounts = [sorted((m["Destination"], m["RW"], m["Type"]) for m in one["Mounts"]) for one in seen]
    assert mounts[0] == mounts[1]
    config = [{k: one["Config"][k] for k in ("User", "Env", "WorkingDir", "Hostname")} for one in seen]
    assert config[0] == config[1]
    assert {one["Image"] for one in seen} == {client.images.get(engine_image(kept)).id}
    assert seen[1]["Name"] == f"/tiercel-{warm.session}-1"
    client.close()


def engine_image(bench: Bench) -> str:
    assert isinstance(bench.engine, ContainerEngine)
    return bench.engine._image


@pytest.mark.docker
@pytest.mark.parametrize("make", ["container"], indirect=True)
async def test_what_differs_starts_cold(kept: Bench, tmp_path: Path) -> None:
    (waiting,) = await keep(kept)
    others: list[dict[str, Any]] = [
        {"limits": Limits(memory_mb=512)},
        {"limits": Limits(cpus=0.5)},
        {"limits": Limits(pids=100)},
        {"read_only": (tmp_path,)},
    ]
    for other in others:
        launch = kept.launch("exit 0", **other)
        assert (await kept.end(await kept.engine.start_or_attach(launch))).code == 0
        assert given(launch) == "", other
    second = kept.launch("exit 0")
    second = second.model_copy(update={"attempt": 2})
    assert (await kept.end(await kept.engine.start_or_attach(second))).code == 0
    assert spares.waiting(waiting)


@pytest.mark.docker
@pytest.mark.parametrize("make", ["container"], indirect=True)
async def test_the_door_leads_to_the_gateway_also_after_its_restart(kept: Bench) -> None:
    await keep(kept)
    launch = kept.launch(ASK)
    launch.folder.door.mkdir(parents=True)
    async with await _gateway(launch.folder, b"first"):
        handle = await kept.engine.start_or_attach(launch)
        assert given(launch)
        await kept.until(handle, b"first")
    async with await _gateway(launch.folder, b"second"):
        assert (await kept.end(handle)).code == 0
        assert b"second" in await kept.output(handle)


ASK = """exec /usr/bin/python3 -c "
import time, urllib.request
said = ''
while said != 'second':
    try:
        said = urllib.request.urlopen('http://127.0.0.1:9000/').read().decode()
    except OSError:
        continue
    print(said, flush=True)
    time.sleep(0.05)
" """


async def _gateway(folder: SessionFolder, says: bytes) -> asyncio.Server:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + says)
        await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(answer, sock=listen(folder.socket, 0o666))
